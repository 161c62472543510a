//! One validator that is a sequencer too, in a network over TCP.

use crate::{
    app::{own_payloads, quantiles, App, OneEpoch, Reports, Seen, Sequencers},
    args::Args,
    net,
    refusals::{Counting, Counts},
    suite::{Suite, World, NAMESPACE},
};
use commonware_consensus::{
    ordered_broadcast::{
        types::{ChunkSigner, ChunkVerifier},
        Config, Engine,
    },
    types::{Epoch, EpochDelta, HeightDelta},
};
use commonware_cryptography::{certificate::ConstantProvider, ed25519, ed25519::PublicKey, sha256::Digest};
use commonware_parallel::Sequential;
use commonware_runtime::{buffer::paged::CacheRef, tokio as runtime, Metrics as _, Runner as _};
use commonware_utils::{ordered::Set, NZUsize, NZU16, NZU64};
use std::{
    collections::HashMap,
    fs::OpenOptions,
    marker::PhantomData,
    sync::{atomic::Ordering::Relaxed, Arc, Mutex},
    time::{Duration, Instant},
};
use tracing_subscriber::prelude::*;

/// The only epoch.
pub const EPOCH: u64 = 7;

pub type EngineConfig<S> = Config<
    ed25519::PrivateKey,
    Sequencers,
    ConstantProvider<<S as Suite>::Scheme, Epoch>,
    Digest,
    App,
    App,
    Reports<S>,
    OneEpoch,
    Sequential,
>;

/// Settings of upstream's examples, with the bounds that Lanecast has by default.
#[allow(clippy::too_many_arguments)]
pub fn engine_config<S: Suite>(
    ctx: &runtime::Context,
    scheme: S::Scheme,
    key: ed25519::PrivateKey,
    sequencers: Vec<PublicKey>,
    app: App,
    reports: Reports<S>,
    journal: String,
    rebroadcast: Duration,
) -> EngineConfig<S> {
    Config {
        sequencer_signer: Some(ChunkSigner::new(NAMESPACE, key)),
        chunk_verifier: ChunkVerifier::new(NAMESPACE),
        sequencers_provider: Sequencers(Arc::new(Set::try_from(sequencers).expect("different"))),
        validators_provider: ConstantProvider::new(scheme),
        automaton: app.clone(),
        relay: app,
        reporter: reports,
        monitor: OneEpoch::new(Epoch::new(EPOCH)),
        priority_proposals: false,
        priority_acks: false,
        rebroadcast_timeout: rebroadcast,
        epoch_bounds: (EpochDelta::new(1), EpochDelta::new(1)),
        height_bound: HeightDelta::new(16),
        journal_name_prefix: journal,
        journal_heights_per_section: NZU64!(64),
        journal_replay_buffer: NZUsize!(1 << 16),
        journal_write_buffer: NZUsize!(1 << 16),
        journal_compression: Some(3),
        journal_page_cache: CacheRef::from_pooler(ctx, NZU16!(4096), NZUsize!(256)),
        strategy: Sequential,
    }
}

/// Runs the node for the given time, and prints its state each second.
pub fn run<S: Suite>(a: &Args) -> Result<(), String> {
    let counts: Arc<Mutex<Counts>> = Arc::default();
    tracing_subscriber::registry().with(Counting(counts.clone())).init();
    let (n, i) = (a.number("validators", 4)? as usize, a.number("index", 0)? as usize);
    let base = a.number("port", 21000)? as u16;
    let (seconds, pace) = (a.number("seconds", 20)?, Duration::from_millis(a.number("pace-ms", 0)?));
    let rebroadcast = Duration::from_millis(a.number("rebroadcast-ms", 1000)?);
    let loss = a.fraction("loss")?;
    let w = World::<S>::new(a.number("seed", 1)?, n);
    let path = a.text("locks")?;
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| format!("{path}: {e}"))?;

    let order = w.publics();
    let me = order[i].clone();
    let port = |j: usize| base + j as u16;
    let peers = (0..n).filter(|j| *j != i).map(|j| (order[j].clone(), port(j))).collect();
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let app = App { me: me.clone(), pace, payloads: own_payloads(&me), seen: seen.clone() };
    let reports = Reports::<S> {
        app: app.clone(),
        log: Some(Arc::new(Mutex::new(log))),
        on_lock: None,
        of: PhantomData,
    };
    let config = runtime::Config::new().with_worker_threads(2).with_storage_directory(a.text("dir")?);
    let start = Instant::now();
    runtime::Runner::new(config).start(|ctx| async move {
        let (key, scheme) = (w.identities[i].key.clone(), w.signers[i].clone());
        let config =
            engine_config::<S>(&ctx, scheme, key, order.clone(), app, reports, "lane-".into(), rebroadcast);
        let engine = Engine::new(ctx.with_label("engine"), config);
        let (wire, nodes, acks) = net::tcp(me, peers, port(i), loss);
        let (nodes_taken, acks_taken) = (nodes.taken.clone(), acks.taken.clone());
        let mut running = Box::pin(engine.start(
            (net::Tx { wire: wire.clone(), channel: net::NODE }, nodes),
            (net::Tx { wire: wire.clone(), channel: net::ACK }, acks),
        ));
        let report = |last: bool, ended: String| {
            let (seen, counts) = (seen.lock().unwrap(), counts.lock().unwrap());
            let heights = |m: &HashMap<PublicKey, u64>| -> Vec<i64> {
                order.iter().map(|p| m.get(p).map_or(-1, |h| *h as i64)).collect()
            };
            let line = serde_json::json!({
                "library": "upstream", "validator": i, "ms": start.elapsed().as_millis() as u64,
                "last": last, "ended": ended,
                "tips": heights(&seen.tips), "locks": heights(&seen.locks), "conflicts": seen.conflicts,
                "nodes_in": nodes_taken.load(Relaxed), "acks_in": acks_taken.load(Relaxed),
                "dropped": wire.dropped.load(Relaxed), "latency_ms": quantiles(&seen.latencies),
                "late": counts.late, "refused": counts.refused, "samples": counts.samples,
            });
            println!("{line}");
        };
        let mut ended = String::new();
        for _ in 0..seconds {
            tokio::select! {
                result = &mut running => {
                    ended = format!("the engine ended: {result:?}");
                    break;
                }
                _ = tokio::time::sleep(Duration::from_secs(1)) => report(false, String::new()),
            }
        }
        report(true, ended);
        // Threads of connections do not end by themselves.
        std::process::exit(0);
    })
}
