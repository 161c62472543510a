//! The application: the parts that upstream's engine requires from its embedder.

use crate::suite::Suite;
use commonware_codec::Encode;
use commonware_consensus::{
    ordered_broadcast::types::{Activity, Context, SequencersProvider},
    types::Epoch,
    Automaton, Monitor, Relay, Reporter,
};
use commonware_cryptography::{ed25519::PublicKey, sha256::Digest};
use commonware_utils::{
    channel::{mpsc, oneshot},
    hex,
    ordered::Set,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Write,
    marker::PhantomData,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The reports to the application.
#[derive(Default)]
pub struct Seen {
    /// The highest tip and lock of each lane.
    pub tips: HashMap<PublicKey, u64>,
    pub locks: HashMap<PublicKey, u64>,
    /// The payload at each certified place, and the number of contradictions.
    pub payloads: HashMap<(PublicKey, u64), Digest>,
    pub conflicts: u64,
    /// Locks reported: of all lanes, and of the own one.
    pub total: u64,
    pub own: u64,
    /// The proposal time of each own payload that is not certified yet, and the latencies of the
    /// others, in ms.
    pub proposed: BTreeMap<u64, Instant>,
    pub latencies: Vec<f64>,
}

pub type Payloads = Arc<dyn Fn(u64) -> Option<Digest> + Send + Sync>;
pub type OnLock = Arc<dyn Fn(&PublicKey, u64) + Send + Sync>;

/// Payloads that neither another process proposes nor this one after a restart.
pub fn own_payloads(me: &PublicKey) -> Payloads {
    let (me, nonce) = (me.clone(), rand::random::<u64>());
    Arc::new(move |height| {
        let mut s = Sha256::new();
        s.update(me.encode());
        s.update(height.to_be_bytes());
        s.update(nonce.to_be_bytes());
        Some(Digest(s.finalize().into()))
    })
}

#[derive(Clone)]
pub struct App {
    pub me: PublicKey,
    /// The time that each proposal waits.
    pub pace: Duration,
    pub payloads: Payloads,
    pub seen: Arc<Mutex<Seen>>,
}

impl Automaton for App {
    type Context = Context<PublicKey>;
    type Digest = Digest;

    async fn genesis(&mut self, _: Epoch) -> Digest {
        unreachable!("ordered_broadcast does not ask for it")
    }

    async fn propose(&mut self, c: Context<PublicKey>) -> oneshot::Receiver<Digest> {
        let (tx, rx) = oneshot::channel();
        let height = c.height.get();
        let Some(payload) = (self.payloads)(height) else {
            std::mem::forget(tx); // the lane has ended; an answer would be taken for a fault
            return rx;
        };
        let (seen, pace) = (self.seen.clone(), self.pace);
        let answer = move || {
            seen.lock().unwrap().proposed.insert(height, Instant::now());
            let _ = tx.send(payload);
        };
        if pace.is_zero() {
            answer();
        } else {
            tokio::spawn(async move {
                tokio::time::sleep(pace).await;
                answer();
            });
        }
        rx
    }

    async fn verify(&mut self, _: Context<PublicKey>, _: Digest) -> oneshot::Receiver<bool> {
        let (tx, rx) = oneshot::channel();
        let _ = tx.send(true);
        rx
    }
}

impl Relay for App {
    type Digest = Digest;
    type PublicKey = PublicKey;
    type Plan = ();

    async fn broadcast(&mut self, _: Digest, _: ()) {}
}

/// Takes reports. Each lock goes to the log as a line: sequencer, height, epoch, payload,
/// certificate, and the time in milliseconds since 1970.
pub struct Reports<S> {
    pub app: App,
    pub log: Option<Arc<Mutex<File>>>,
    pub on_lock: Option<OnLock>,
    pub of: PhantomData<S>,
}

impl<S> Clone for Reports<S> {
    fn clone(&self) -> Self {
        Self { app: self.app.clone(), log: self.log.clone(), on_lock: self.on_lock.clone(), of: PhantomData }
    }
}

impl<S: Suite> Reporter for Reports<S> {
    type Activity = Activity<PublicKey, S::Scheme, Digest>;

    async fn report(&mut self, activity: Self::Activity) {
        let lock = match activity {
            Activity::Tip(p) => {
                let mut seen = self.app.seen.lock().unwrap();
                let highest = seen.tips.entry(p.chunk.sequencer.clone()).or_default();
                *highest = p.chunk.height.get().max(*highest);
                return;
            }
            Activity::Lock(lock) => lock,
        };
        let (sequencer, height) = (lock.chunk.sequencer.clone(), lock.chunk.height.get());
        {
            let mut seen = self.app.seen.lock().unwrap();
            seen.total += 1;
            let highest = seen.locks.entry(sequencer.clone()).or_default();
            *highest = height.max(*highest);
            if let Some(before) = seen.payloads.insert((sequencer.clone(), height), lock.chunk.payload) {
                seen.conflicts += (before != lock.chunk.payload) as u64;
            }
            if sequencer == self.app.me {
                seen.own += 1;
                if let Some(at) = seen.proposed.remove(&height) {
                    seen.latencies.push(at.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        if let Some(log) = &self.log {
            let line = format!(
                "{} {height} {} {} {} {}\n",
                hex(&sequencer.encode()),
                lock.epoch.get(),
                hex(&lock.chunk.payload.encode()),
                hex(&lock.certificate.encode()),
                SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis(),
            );
            log.lock().unwrap().write_all(line.as_bytes()).expect("the log takes it");
        }
        if let Some(f) = &self.on_lock {
            f(&sequencer, height);
        }
    }
}

/// The same sequencers in every epoch.
#[derive(Clone)]
pub struct Sequencers(pub Arc<Set<PublicKey>>);

impl SequencersProvider for Sequencers {
    type PublicKey = PublicKey;

    fn sequencers(&self, _: Epoch) -> Option<Arc<Set<PublicKey>>> {
        Some(self.0.clone())
    }
}

/// One epoch without end.
#[derive(Clone)]
pub struct OneEpoch {
    pub epoch: Epoch,
    /// Keeps subscriptions open: the engine ends when one closes.
    subscribers: Arc<Mutex<Vec<mpsc::Sender<Epoch>>>>,
}

impl OneEpoch {
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, subscribers: Arc::default() }
    }
}

impl Monitor for OneEpoch {
    type Index = Epoch;

    async fn subscribe(&mut self) -> (Epoch, mpsc::Receiver<Epoch>) {
        let (tx, rx) = mpsc::channel(1);
        self.subscribers.lock().unwrap().push(tx);
        (self.epoch, rx)
    }
}

/// Quantiles of latencies, in ms.
pub fn quantiles(latencies: &[f64]) -> serde_json::Value {
    let mut v = latencies.to_vec();
    v.sort_by(f64::total_cmp);
    let at = |q: f64| v.get((v.len().saturating_sub(1) as f64 * q) as usize).copied().unwrap_or(0.0);
    serde_json::json!({"count": v.len(), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}
