//! Measures upstream's engine: as one of many validators, with the messages of all others signed
//! beforehand; and as all validators of a small set in one process. Each prints one JSON object.

use crate::{
    app::{own_payloads, quantiles, App, Reports, Seen},
    args::Args,
    feed::{self, cpu, Plan, ToFeeder},
    net,
    node::engine_config,
    suite::{Suite, World},
};
use commonware_consensus::ordered_broadcast::Engine;
use commonware_runtime::{tokio as runtime, Metrics as _, Runner as _};
use std::{
    collections::{HashMap, VecDeque},
    fs,
    marker::PhantomData,
    process,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc, Mutex,
    },
    time::{Duration, Instant},
};

const REBROADCAST: Duration = Duration::from_secs(1);

/// A folder for this process, and a runtime that keeps its journals there.
fn prepare(a: &Args) -> Result<(String, runtime::Config), String> {
    let dir = format!("{}/upstream-{}", a.text("dir")?, process::id());
    Ok((dir.clone(), runtime::Config::new().with_worker_threads(2).with_storage_directory(dir)))
}

/// One validator of many; a feeder replaces all others.
pub fn node<S: Suite>(a: &Args) -> Result<(), String> {
    let n = a.number("validators", 100)? as usize;
    let seed = a.number("seed", 1)?;
    let plan =
        Plan { seed, heights: a.number("heights", 8)?, acks: a.number("acks", n as u64 - 1)? as usize };
    let (seconds, warmup) = (a.number("seconds", 10)?, a.number("warmup", 2)?);
    let in_flight = (a.number("in-flight", n as u64)? as usize).clamp(1, n - 1);
    let (dir, config) = prepare(a)?;
    let w = Arc::new(World::<S>::new(seed, n));
    let ack_cost = feed::ack_cost(&w);
    let lanes = feed::sign(&w, &Arc::new(plan));

    let who = w.publics();
    let ((node_tx, nodes), (ack_tx, acks)) = net::inbound();
    let feeder = feed::feed(lanes.clone(), who.clone(), node_tx, ack_tx);
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let own = lanes.clone();
    let app = App {
        me: who[0].clone(),
        pace: Duration::ZERO,
        payloads: Arc::new(move |h| own[0].payloads.get(h as usize).copied()),
        seen: seen.clone(),
    };
    // A fixed number of lanes is under way at once; when a chunk is certified, the lane that has
    // waited longest continues.
    let index: HashMap<_, _> = who.iter().enumerate().map(|(i, p)| (p.clone(), i)).collect();
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((1 + in_flight..n).collect());
    let next: Mutex<Vec<u64>> = Mutex::new(vec![0; n]);
    let latencies: Arc<Mutex<Vec<f64>>> = Arc::default();
    let on_lock = {
        let (asked, due, latencies) =
            (Mutex::new(feeder.asked.clone()), feeder.due.clone(), latencies.clone());
        move |sequencer: &_, height| {
            let lane = index[sequencer];
            if let Some(at) = due.lock().unwrap().remove(&(lane, height)) {
                latencies.lock().unwrap().push(at.elapsed().as_secs_f64() * 1e3);
            }
            if lane == 0 {
                return;
            }
            next.lock().unwrap()[lane] = height + 1;
            let mut waiting = waiting.lock().unwrap();
            waiting.push_back(lane);
            let lane = waiting.pop_front().expect("one was put there");
            let _ = asked.lock().unwrap().send((lane, next.lock().unwrap()[lane]));
        }
    };
    let reports =
        Reports::<S> { app: app.clone(), log: None, on_lock: Some(Arc::new(on_lock)), of: PhantomData };
    runtime::Runner::new(config).start(|ctx| async move {
        let (scheme, key) = (w.signers[0].clone(), w.identities[0].key.clone());
        let config = engine_config::<S>(&ctx, scheme, key, who, app, reports, "lane-".into(), REBROADCAST);
        let engine = Engine::new(ctx.with_label("engine"), config);
        let wire = Arc::new(ToFeeder::new(feeder.asked.clone()));
        let acks_taken = acks.taken.clone();
        for lane in 1..=in_flight {
            let _ = feeder.asked.send((lane, 0));
        }
        let _running = engine.start(
            (net::Tx { wire: wire.clone(), channel: net::NODE }, nodes),
            (net::Tx { wire, channel: net::ACK }, acks),
        );
        tokio::time::sleep(Duration::from_secs(warmup)).await;
        let now = || {
            let fed = feeder.cpu.load(Relaxed) as f64 / 1e9;
            let verified = metric(&ctx.encode(), "engine_acks_total{status=\"Success\"}");
            let used = cpu(libc::CLOCK_PROCESS_CPUTIME_ID) - fed;
            (Instant::now(), seen.lock().unwrap().total, acks_taken.load(Relaxed), used, verified)
        };
        let before = now();
        latencies.lock().unwrap().clear();
        while before.0.elapsed() < Duration::from_secs(seconds) && !feeder.dry.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let after = now();
        let (elapsed, used) = ((after.0 - before.0).as_secs_f64(), after.3 - before.3);
        let (certificates, verified) = ((after.1 - before.1) as f64, after.4 - before.4);
        let line = serde_json::json!({
            "seconds": elapsed, "certificates": certificates, "certificates_per_s": certificates / elapsed,
            "acks_per_s": (after.2 - before.2) as f64 / elapsed, "acks_verified_per_s": verified / elapsed,
            "ack_us": ack_cost * 1e6, "cpu_s": used, "cpu_us_per_certificate": used / certificates * 1e6,
            "busy_cores": used / elapsed, "acks_of_cpu": verified * ack_cost / used,
            "ran_dry": feeder.dry.load(Relaxed), "latency_ms": quantiles(&latencies.lock().unwrap()),
        });
        println!("{line}");
        let _ = fs::remove_dir_all(&dir);
        process::exit(0);
    })
}

/// The value of a counter in upstream's metrics.
fn metric(encoded: &str, name: &str) -> f64 {
    let value = |l: &str| l.rsplit(' ').next().and_then(|v| v.parse().ok()).unwrap_or(0.0);
    encoded.lines().filter(|l| l.starts_with(name)).map(value).sum()
}

/// All validators of a set in this process, each a sequencer.
pub fn cluster<S: Suite>(a: &Args) -> Result<(), String> {
    let n = a.number("validators", 4)? as usize;
    let (seconds, warmup) = (a.number("seconds", 10)?, a.number("warmup", 2)?);
    let (dir, config) = prepare(a)?;
    let w = World::<S>::new(a.number("seed", 1)?, n);
    let who = w.publics();
    runtime::Runner::new(config).start(|ctx| async move {
        let (mut peers, mut queues) = (HashMap::new(), Vec::new());
        for p in &who {
            let ((node_tx, nodes), (ack_tx, acks)) = net::inbound();
            peers.insert(p.clone(), (node_tx, ack_tx));
            queues.push((nodes, acks));
        }
        let dropped: Arc<AtomicU64> = Arc::default();
        let (mut all, mut running): (Vec<Arc<Mutex<Seen>>>, _) = (Vec::new(), Vec::new());
        for (i, (nodes, acks)) in queues.into_iter().enumerate() {
            let (me, seen) = (who[i].clone(), Arc::<Mutex<Seen>>::default());
            all.push(seen.clone());
            let app = App { me: me.clone(), pace: Duration::ZERO, payloads: own_payloads(&me), seen };
            let reports = Reports::<S> { app: app.clone(), log: None, on_lock: None, of: PhantomData };
            let ctx = ctx.with_label(&format!("v{i}"));
            let (scheme, key, journal) =
                (w.signers[i].clone(), w.identities[i].key.clone(), format!("lane-{i}-"));
            let config =
                engine_config::<S>(&ctx, scheme, key, who.clone(), app, reports, journal, REBROADCAST);
            let wire = Arc::new(net::Memory { me, peers: peers.clone(), dropped: dropped.clone() });
            running.push(Engine::new(ctx.with_label("engine"), config).start(
                (net::Tx { wire: wire.clone(), channel: net::NODE }, nodes),
                (net::Tx { wire, channel: net::ACK }, acks),
            ));
        }
        tokio::time::sleep(Duration::from_secs(warmup)).await;
        let now = || {
            let sum = |f: fn(&Seen) -> u64| all.iter().map(|s| f(&s.lock().unwrap())).sum::<u64>();
            (Instant::now(), sum(|s| s.total), sum(|s| s.own), cpu(libc::CLOCK_PROCESS_CPUTIME_ID))
        };
        let before = now();
        for s in &all {
            s.lock().unwrap().latencies.clear();
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let after = now();
        let (elapsed, used) = ((after.0 - before.0).as_secs_f64(), after.3 - before.3);
        let chunks = (after.2 - before.2) as f64;
        let latencies: Vec<f64> = all.iter().flat_map(|s| s.lock().unwrap().latencies.clone()).collect();
        let line = serde_json::json!({
            "seconds": elapsed, "certificates": chunks, "certificates_per_s": chunks / elapsed,
            "locks_per_s": (after.1 - before.1) as f64 / elapsed, "cpu_s": used,
            "cpu_us_per_certificate": used / chunks * 1e6, "busy_cores": used / elapsed,
            "dropped": dropped.load(Relaxed), "latency_ms": quantiles(&latencies),
            "conflicts": all.iter().map(|s| s.lock().unwrap().conflicts).sum::<u64>(),
        });
        println!("{line}");
        drop(running);
        let _ = fs::remove_dir_all(&dir);
        process::exit(0);
    })
}
