//! Writes test vectors with upstream's code, or checks vectors with it. See README.md beside
//! Cargo.toml.

mod check;
mod ecdsa;
mod forged;
mod generate;
mod message;
mod odd_keys;
mod oracle;
mod points;
mod record;
mod shape;
mod suite;
mod vector;

use commonware_consensus::ordered_broadcast::types::{Activity, Proposal};
use commonware_cryptography::{
    bls12381::primitives::variant::{MinPk, MinSig},
    ed25519::PublicKey,
    sha256::Digest,
};
use generate::{accepted, chunks, Extent, World};
use message::boundaries;
use oracle::Kind;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use record::Recorder;
use std::{collections::BTreeMap, env, fs, path::PathBuf, process::ExitCode};
use suite::{Ed25519, Layout, Multisig, Secp256r1, Suite, Threshold};
use vector::Case;

const USAGE: &str = "usage:
  lanecast-reference --seed N --out DIR [--committed]   writes vectors
  lanecast-reference --check DIR                        checks vectors

  --seed N      what everything random follows from
  --out DIR     the folder that the files go to; it is made if it is not there
  --committed   writes the smaller selection that is kept with the sources
  --check DIR   decodes and verifies every *.json in the folder; exit status 1 if upstream disagrees with any";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("lanecast-reference: {e}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let (mut seed, mut out, mut checked, mut extent) = (None, None, None, Extent::Whole);
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--seed" => seed = Some(value()?.parse::<u64>().map_err(|e| format!("--seed: {e}"))?),
            "--out" => out = Some(PathBuf::from(value()?)),
            "--check" => checked = Some(PathBuf::from(value()?)),
            "--committed" => extent = Extent::Committed,
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(true);
            }
            _ => return Err(format!("unknown argument {arg}\n{USAGE}")),
        }
    }
    match (seed, out, checked) {
        (None, None, Some(dir)) => Ok(check::folder(&dir)? == 0),
        (Some(seed), Some(out), None) => write(seed, out, extent).map(|()| true),
        _ => Err(format!("either --seed and --out, or --check\n{USAGE}")),
    }
}

fn write(seed: u64, out: PathBuf, extent: Extent) -> Result<(), String> {
    fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut files = vec![("none".to_string(), unbound(seed, extent))];
    files.push(of::<Multisig<MinSig>>(seed, extent, 1));
    files.push(of::<Multisig<MinPk>>(seed, extent, 2));
    files.push(of::<Threshold<MinSig>>(seed, extent, 3));
    files.push(of::<Threshold<MinPk>>(seed, extent, 4));
    let mut last = of::<Ed25519>(seed, extent, 5);
    last.1.extend(weak(seed, extent));
    files.push(last);
    let mut last = of::<Secp256r1>(seed, extent, 7);
    last.1.extend(crafted(seed));
    files.push(last);
    let source = format!(
        "commonware-consensus 2026.4.0 by lanecast-reference --seed {seed}{}",
        if extent == Extent::Committed { " --committed" } else { "" }
    );
    let mut total = 0;
    for (name, cases) in &files {
        vector::write(&out.join(format!("commonware-{name}.json")), &source, cases)?;
        let mut counts = BTreeMap::<&str, usize>::new();
        for c in cases {
            *counts.entry(&c.kind).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(k, n)| format!("{k} {n}")).collect();
        println!("{name:<25} {:>5}   {}", cases.len(), counts.join(", "));
        total += cases.len();
    }
    println!("{:<25} {total:>5}", "all");
    Ok(())
}

/// The namespace of the k-th set: short ones, and those around the length at which the varint gets
/// a second byte.
fn namespace(rng: &mut ChaCha20Rng, k: usize) -> Vec<u8> {
    let mut b = vec![0; [8, 0, 121, 122, 123, 124, 200][k % 7]];
    rng.fill_bytes(&mut b);
    b
}

/// Cases that need no validator set.
fn unbound(seed: u64, extent: Extent) -> Vec<Case> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(0);
    let mut cases = Vec::new();
    let namespace = namespace(&mut rng, seed as usize);
    let w = World::<Ed25519>::new(&mut rng, &namespace, 1);
    let mut r = Recorder::without_set(&w.validators);
    chunks(&mut rng, &w, &mut r);
    for (kind, at) in [(Kind::Chunk, 0), (Kind::Proposal, 1), (Kind::Activity, 2)] {
        let heights = if extent == Extent::Whole { &[0, 300, u64::MAX][..] } else { &[300][..] };
        for &height in heights {
            let mut r1 = Recorder::without_set(&w.validators);
            r1.lean = extent == Extent::Committed;
            let chunk = w.chunk(&w.outsider, height, generate::digest(&mut rng));
            let m = match at {
                0 => w.split(kind, &chunk),
                1 => w.split(kind, &w.proposal(&w.outsider, &chunk)),
                _ => w.split(kind, &tip::<Ed25519>(w.proposal(&w.outsider, &chunk))),
            };
            shape::structure(&m, &mut r1);
            if at < 2 || extent == Extent::Whole {
                r1.cut(&m);
            }
            for c in &mut r1.cases {
                c.name = format!("{}, height {height}", c.name);
            }
            cases.append(&mut r1.cases);
        }
    }
    forged::proposals(&mut rng, &w, &mut r);
    shape::ours(&mut rng, &w, &mut r);
    r.cases.append(&mut cases);
    r.cases
}

fn tip<S: Suite>(p: Proposal<PublicKey, Digest>) -> Activity<PublicKey, S::Scheme, Digest> {
    Activity::Tip(p)
}

/// The cases of one scheme. `turn` distributes over the schemes the cases that are kept once.
fn of<S: Suite>(seed: u64, extent: Extent, turn: usize) -> (String, Vec<Case>) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(turn as u64);
    let whole = extent == Extent::Whole;
    let count = boundaries(64).len();
    let mut cases = Vec::new();
    // A list of more than 127 signatures has a count of two bytes.
    let large = (S::LAYOUT == Layout::List).then_some(200);
    for (k, n) in [1, 4, 7, 8, 9, 100].into_iter().chain(large).enumerate() {
        // The steps over the boundaries start at a different one for every seed, scheme and size.
        let start = seed as usize * 5 + turn * 3 + k * 4;
        let length = if whole || n > 4 { k + turn + seed as usize } else { 0 };
        let namespace = namespace(&mut rng, length);
        let w = World::<S>::new(&mut rng, &namespace, n);
        let mut r = Recorder::new(&w.validators);
        r.lean = !whole;
        let steps: Vec<usize> = match (whole, n) {
            (true, 100 | 200) => (0..4).map(|i| start + i * 5).collect(),
            (true, _) | (false, 1) => (0..count).collect(),
            (false, 4) => (0..3).map(|i| start + i * 5).collect(),
            (false, _) => vec![start],
        };
        accepted(&mut rng, &w, &steps, &|kind, step| whole || kept(turn, n, kind, step), &mut r);
        match whole {
            true => spoiled(&mut rng, &w, &mut r),
            false => spoiled_few(&mut rng, &w, turn, &mut r),
        }
        if n == 4 && S::LAYOUT == Layout::Aggregate {
            let mut cancelling = odd_keys::cancelling::<S>(&mut rng, &namespace);
            r.cases.append(&mut cancelling.cases);
        }
        cases.append(&mut r.cases);
    }
    let name = format!("{}-{}", S::SCHEME, S::VARIANT);
    (name.trim_end_matches('-').into(), cases)
}

/// Reports whether a good message is kept with the sources. Over all schemes each type occurs at
/// each boundary.
fn kept(turn: usize, n: usize, kind: Kind, step: usize) -> bool {
    let types = [Kind::Ack, Kind::Parent, Kind::Node, Kind::Lock, Kind::Activity];
    match n {
        1 if step == 0 && (kind == Kind::Chunk || kind == Kind::Proposal) => true,
        1 => types[(step + turn) % types.len()] == kind,
        4 => kind == Kind::Node || step == 0 && types.contains(&kind),
        200 => kind == Kind::Lock,
        100 => kind == [Kind::Node, Kind::Lock][turn % 2] || kind == Kind::Ack && turn == 5,
        _ => matches!(kind, Kind::Ack | Kind::Node | Kind::Lock),
    }
}

/// All kinds of faulty messages.
fn spoiled<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, r: &mut Recorder<S>) {
    let n = w.validators.len();
    if n > 9 {
        return;
    }
    if n != 7 {
        for (kind, _) in oracle::KINDS {
            if kind == Kind::Chunk || kind == Kind::Proposal {
                continue; // written without a set
            }
            let m = sample(rng, w, kind);
            shape::structure(&m, r);
            if n == 1 {
                r.cut(&m);
            }
        }
        genesis(rng, w, r);
    }
    for kind in [Kind::Lock, Kind::Node, Kind::Parent, Kind::Activity] {
        let m = sample(rng, w, kind);
        shape::signers(w, &m, r);
    }
    forged::acks(rng, w, true, r);
    let kinds = [Kind::Lock, Kind::Node];
    forged::certificates(rng, w, &kinds, &kinds, r);
}

/// Each kind of faulty message once over all schemes, or once per scheme where schemes differ in
/// it.
fn spoiled_few<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, turn: usize, r: &mut Recorder<S>) {
    match w.validators.len() {
        1 => {
            let types = [Kind::Node, Kind::Parent, Kind::Lock, Kind::Ack, Kind::Activity];
            let m = sample(rng, w, types[(turn - 1) % types.len()]);
            shape::structure(&m, r);
            match turn {
                // The shortest nodes, and for the other types the smallest sets.
                3 => r.cut(&sample(rng, w, Kind::Node)),
                5 => {
                    for kind in [Kind::Ack, Kind::Parent, Kind::Lock, Kind::Activity] {
                        r.cut(&sample(rng, w, kind));
                    }
                    genesis(rng, w, r);
                }
                _ => {}
            }
        }
        4 => {
            let m = sample(rng, w, Kind::Lock);
            shape::signers(w, &m, r);
            forged::acks(rng, w, turn == 1, r);
            let points_in = if S::LAYOUT == Layout::Single { &[][..] } else { &[Kind::Lock][..] };
            forged::certificates(rng, w, &[Kind::Lock, Kind::Node], points_in, r);
        }
        _ => {}
    }
}

/// A node without parent, spoiled.
fn genesis<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, r: &mut Recorder<S>) {
    let m = w.node(rng, &w.outsider, 0, 0, &[]);
    let before = r.cases.len();
    shape::structure(&m, r);
    for c in &mut r.cases[before..] {
        c.name += ", at height 0";
    }
}

/// A message of a type, above height 0, certified by a quorum.
fn sample<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, kind: Kind) -> message::Message {
    let (height, epoch) = (300, 20_000);
    let who = generate::some(rng, w.validators.len(), w.validators.quorum());
    let chunk = w.chunk(&w.outsider, height, generate::digest(rng));
    let certificate = w.certificate(&who, &chunk, epoch);
    match kind {
        Kind::Ack => w.split(kind, &w.ack(0, &chunk, epoch)),
        Kind::Parent => w.split(kind, &w.parent(&chunk, epoch, certificate)),
        Kind::Node => w.node(rng, &w.outsider, height, epoch, &who),
        Kind::Lock => w.lock(&chunk, epoch, certificate),
        _ => {
            let lock = [vec![1], w.lock(&chunk, epoch, certificate).bytes()].concat();
            message::Message::split::<S>(Kind::Activity, &lock)
        }
    }
}

/// Ed25519 validators whose keys are of small order.
fn weak(seed: u64, extent: Extent) -> Vec<Case> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(6);
    let mut all = Vec::new();
    odd_keys::weak::<Ed25519>(&mut rng, b"weak", &mut all);
    if extent == Extent::Committed {
        all = all.into_iter().skip(6).step_by(2).collect();
    }
    all.into_iter().flat_map(|r| r.cases).collect()
}

/// Secp256r1 keys that decode, keys that do not, and signatures at the ends of the range of s.
fn crafted(seed: u64) -> Vec<Case> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(8);
    let mut all = ecdsa::keys(&mut rng);
    all.extend(ecdsa::ends(&mut rng, b"crafted"));
    all
}
