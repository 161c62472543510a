//! Counts the messages that upstream's engine refused, from its log.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};
use tracing::{field::Field, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Errors of messages that are only late or repeated. All others mean that a message was wrong.
const LATE: [&str; 7] = [
    "AckEpochOutsideBounds",
    "AckHeightOutsideBounds",
    "ChunkHeightTooLow",
    "AppVerifiedNoTip",
    "AppVerifiedHeightMismatch",
    "AppVerifiedPayloadMismatch",
    "AlreadyCertified",
];

#[derive(Default)]
pub struct Counts {
    /// The number of times that each error was logged.
    pub late: BTreeMap<String, u64>,
    pub refused: BTreeMap<String, u64>,
    /// The first few refusals, with their whole log entries.
    pub samples: Vec<String>,
}

/// Counts the engine's events.
pub struct Counting(pub Arc<Mutex<Counts>>);

#[derive(Default)]
struct Fields {
    message: String,
    error: Option<String>,
    others: String,
}

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "err" => self.error = Some(format!("{value:?}")),
            name => self.others += &format!(" {name}={value:?}"),
        }
    }
}

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with("commonware_consensus") {
            return;
        }
        let mut f = Fields::default();
        event.record(&mut f);
        let about_peers = ["node", "ack", "verified"].iter().any(|w| f.message.starts_with(w));
        let Some(error) = f.error.filter(|_| about_peers) else { return };
        let name = error.split(['(', '{', ' ']).next().unwrap_or_default().to_string();
        let mut counts = self.0.lock().unwrap();
        if LATE.contains(&name.as_str()) {
            *counts.late.entry(name).or_default() += 1;
            return;
        }
        *counts.refused.entry(format!("{}: {name}", f.message)).or_default() += 1;
        if counts.samples.len() < 10 {
            counts.samples.push(format!("{}: {error}{}", f.message, f.others));
        }
    }
}
