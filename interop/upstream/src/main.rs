//! Upstream's engine, as one process of a network with Lanecast's, and in a race against it. The
//! programs in ../cmd call this one; see ../README.md.

mod app;
mod args;
mod check;
mod feed;
mod net;
mod node;
mod race;
mod refusals;
mod suite;

use args::Args;
use commonware_cryptography::bls12381::primitives::variant::{MinPk, MinSig};
use std::{fs, process::ExitCode};
use suite::{Ed25519, Multisig, Secp256r1, Suite, Threshold, World};

const USAGE: &str = "usage: lanecast-upstream COMMAND --scheme SCHEME --seed N --validators N …
  deal --out FILE                      writes the keys of a set
  node --index I --port P --dir DIR --locks FILE --seconds S
       [--pace-ms MS] [--rebroadcast-ms MS] [--loss PART]
                                       runs one validator and sequencer of it
  check FILE…                          verifies the certificates in logs of locks
  race-node --dir DIR --seconds S [--warmup S] [--heights H] [--in-flight L] [--acks A]
                                       measures one engine, all others' messages signed beforehand
  race-cluster --dir DIR --seconds S [--warmup S]
                                       measures all engines of a set in one process
schemes: multisig-minsig, multisig-minpk, threshold-minsig, threshold-minpk, ed25519, secp256r1";

const KNOWN: [&str; 16] = [
    "scheme",
    "seed",
    "validators",
    "out",
    "index",
    "port",
    "dir",
    "locks",
    "seconds",
    "pace-ms",
    "rebroadcast-ms",
    "loss",
    "warmup",
    "heights",
    "in-flight",
    "acks",
];

fn main() -> ExitCode {
    let done = Args::read(&KNOWN).and_then(|a| match a.text_or("scheme", "multisig-minsig").as_str() {
        "multisig-minsig" => run::<Multisig<MinSig>>(&a),
        "multisig-minpk" => run::<Multisig<MinPk>>(&a),
        "threshold-minsig" => run::<Threshold<MinSig>>(&a),
        "threshold-minpk" => run::<Threshold<MinPk>>(&a),
        "ed25519" => run::<Ed25519>(&a),
        "secp256r1" => run::<Secp256r1>(&a),
        other => Err(format!("unknown scheme {other}")),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("lanecast-upstream: {e}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run<S: Suite>(a: &Args) -> Result<(), String> {
    match a.command.as_str() {
        "deal" => {
            let w = World::<S>::new(a.number("seed", 1)?, a.number("validators", 4)? as usize);
            let text = serde_json::to_vec_pretty(&w.file).map_err(|e| e.to_string())?;
            let path = a.text("out")?;
            fs::write(&path, text).map_err(|e| format!("{path}: {e}"))
        }
        "node" => node::run::<S>(a),
        "check" => check::run::<S>(a),
        "race-node" => race::node::<S>(a),
        "race-cluster" => race::cluster::<S>(a),
        other => Err(format!("unknown command {other:?}")),
    }
}
