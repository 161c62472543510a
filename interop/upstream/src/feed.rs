//! Messages of all other validators and sequencers, signed beforehand, and the thread that passes
//! them to one engine.

use crate::{
    net::{Inbound, Wire, NODE},
    node::EPOCH,
    suite::{Suite, World, NAMESPACE},
};
use bytes::Bytes;
use commonware_codec::{Encode, ReadExt};
use commonware_consensus::{
    ordered_broadcast::types::{Ack, Chunk, ChunkSigner, Node, Parent},
    types::{Epoch, Height},
};
use commonware_cryptography::{certificate::Scheme as _, ed25519::PublicKey, sha256::Digest};
use commonware_parallel::Sequential;
use commonware_runtime::IoBuf;
use commonware_utils::N3f1;
use rand::{seq::SliceRandom, SeedableRng};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc as queue, Arc, Mutex,
    },
    thread,
    time::Instant,
};

/// One lane, by height. Lane 0 is the engine's own: its nodes come from the engine.
pub struct Lane {
    pub payloads: Vec<Digest>,
    nodes: Vec<Option<Bytes>>,
    /// The acks of a height in random order, each with its validator.
    acks: Vec<Vec<(usize, Bytes)>>,
}

/// CPU time that a clock has counted, in seconds.
pub fn cpu(clock: libc::clockid_t) -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: t is a timespec.
    unsafe { libc::clock_gettime(clock, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

/// The messages to sign.
pub struct Plan {
    pub seed: u64,
    pub heights: u64,
    /// The number of the other validators' acks for each chunk.
    pub acks: usize,
}

fn payload(seed: u64, lane: usize, height: u64) -> Digest {
    let mut s = Sha256::new();
    for v in [seed, lane as u64, height] {
        s.update(v.to_be_bytes());
    }
    Digest(s.finalize().into())
}

fn sign_lane<S: Suite>(w: &World<S>, plan: &Plan, lane: usize, rng: &mut rand::rngs::StdRng) -> Lane {
    let (n, epoch) = (w.identities.len(), Epoch::new(EPOCH));
    let quorum = n - (n - 1) / 3;
    let mut signer = ChunkSigner::new(NAMESPACE, w.identities[lane].key.clone());
    let mut out = Lane { payloads: vec![], nodes: vec![], acks: vec![] };
    let mut parent: Option<Parent<S::Scheme, Digest>> = None;
    for h in 0..plan.heights {
        let payload = payload(plan.seed, lane, h);
        let chunk = Chunk::new(w.identities[lane].public(), Height::new(h), payload);
        let mut acks: Vec<_> = (1..n)
            .map(|j| {
                let ack = Ack::<PublicKey, S::Scheme, Digest>::sign(&w.signers[j], chunk.clone(), epoch);
                (j, ack.expect("a validator signs"))
            })
            .collect();
        acks.shuffle(rng);
        let node: Node<PublicKey, S::Scheme, Digest> =
            Node::sign(&mut signer, Height::new(h), payload, parent.take());
        let votes = acks[..quorum].iter().map(|(_, a)| a.attestation.clone());
        let certificate = w.verifier.assemble::<_, N3f1>(votes, &Sequential).expect("a quorum");
        parent = Some(Parent::new(payload, epoch, certificate));
        out.payloads.push(payload);
        out.nodes.push((lane != 0).then(|| node.encode()));
        acks.shuffle(rng);
        acks.truncate(plan.acks);
        out.acks.push(acks.iter().map(|(j, a)| (*j, a.encode())).collect());
    }
    out
}

/// Signs the lanes of all validators, on two threads.
pub fn sign<S: Suite>(w: &Arc<World<S>>, plan: &Arc<Plan>) -> Arc<Vec<Lane>> {
    let (next, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let lanes = w.identities.len();
    let threads: Vec<_> = (0..2)
        .map(|t| {
            let (w, plan, next, made) = (w.clone(), plan.clone(), next.clone(), made.clone());
            thread::spawn(move || {
                let mut rng = rand::rngs::StdRng::seed_from_u64(plan.seed * 7 + t);
                loop {
                    let lane = next.fetch_add(1, Relaxed);
                    if lane >= lanes {
                        return;
                    }
                    let signed = sign_lane(&w, &plan, lane, &mut rng);
                    made.lock().unwrap().push((lane, signed));
                }
            })
        })
        .collect();
    for t in threads {
        t.join().expect("signing ends");
    }
    let mut made = std::mem::take(&mut *made.lock().unwrap());
    made.sort_by_key(|(lane, _)| *lane);
    Arc::new(made.into_iter().map(|(_, lane)| lane).collect())
}

/// The CPU time of one verification of a single ack, in seconds.
pub fn ack_cost<S: Suite>(w: &World<S>) -> f64 {
    let chunk = Chunk::new(w.identities[0].public(), Height::new(0), payload(0, 0, 0));
    let ack = Ack::<PublicKey, S::Scheme, Digest>::sign(&w.signers[1], chunk, Epoch::new(EPOCH));
    let ack = ack.expect("a validator signs");
    let (before, times) = (cpu(libc::CLOCK_THREAD_CPUTIME_ID), 200);
    for _ in 0..times {
        assert!(ack.verify(&mut rand::rngs::OsRng, &w.verifier, &Sequential));
    }
    (cpu(libc::CLOCK_THREAD_CPUTIME_ID) - before) / times as f64
}

/// The thread that feeds an engine: for each requested (lane, height), it sends the node and its
/// acks.
pub struct Feeder {
    pub asked: queue::Sender<(usize, u64)>,
    /// Set when a lane has no more messages.
    pub dry: Arc<AtomicBool>,
    /// CPU time of the thread, in ns.
    pub cpu: Arc<AtomicU64>,
    /// The time at which the last but one ack of a quorum, counting the engine's own, was passed
    /// on.
    pub due: Arc<Mutex<HashMap<(usize, u64), Instant>>>,
}

pub fn feed(lanes: Arc<Vec<Lane>>, who: Vec<PublicKey>, nodes: Inbound, acks: Inbound) -> Feeder {
    let (asked, asks) = queue::channel::<(usize, u64)>();
    let f = Feeder { asked, dry: Arc::default(), cpu: Arc::default(), due: Arc::default() };
    let (dry, cpu_used, due) = (f.dry.clone(), f.cpu.clone(), f.due.clone());
    let quorum = who.len() - (who.len() - 1) / 3;
    thread::spawn(move || {
        for (lane, height) in asks {
            let Some(messages) = lanes[lane].acks.get(height as usize) else {
                dry.store(true, Relaxed);
                continue;
            };
            if let Some(node) = &lanes[lane].nodes[height as usize] {
                if nodes.blocking_send((who[lane].clone(), IoBuf::from(node.clone()))).is_err() {
                    return;
                }
            }
            for (k, (j, m)) in messages.iter().enumerate() {
                if k + 2 == quorum {
                    due.lock().unwrap().insert((lane, height), Instant::now());
                }
                if acks.blocking_send((who[*j].clone(), IoBuf::from(m.clone()))).is_err() {
                    return;
                }
            }
            cpu_used.store((cpu(libc::CLOCK_THREAD_CPUTIME_ID) * 1e9) as u64, Relaxed);
        }
    });
    f
}

/// Takes the messages that the engine sends. Its own nodes request their acks from the feeder.
pub struct ToFeeder {
    asked: Mutex<(queue::Sender<(usize, u64)>, Option<u64>)>,
}

impl ToFeeder {
    pub fn new(asked: queue::Sender<(usize, u64)>) -> Self {
        Self { asked: Mutex::new((asked, None)) }
    }
}

impl Wire for ToFeeder {
    fn send(&self, channel: u8, _: &[PublicKey], message: &IoBuf) {
        if channel != NODE {
            return;
        }
        let Ok(chunk) = Chunk::<PublicKey, Digest>::read(&mut message.as_ref()) else { return };
        let (height, mut asked) = (chunk.height.get(), self.asked.lock().unwrap());
        if asked.1.is_none_or(|highest| height > highest) {
            asked.1 = Some(height);
            let _ = asked.0.send((0, height));
        }
    }

    fn everybody(&self) -> Vec<PublicKey> {
        Vec::new()
    }
}
