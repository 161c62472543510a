//! Verifies every certificate in logs of locks with a fresh verifier.

use crate::{
    args::Args,
    suite::{Suite, World},
};
use commonware_codec::{Decode, DecodeExt};
use commonware_consensus::{
    ordered_broadcast::types::{AckSubject, Chunk},
    types::{Epoch, Height},
};
use commonware_cryptography::{certificate::Scheme, ed25519::PublicKey, sha256::Digest};
use commonware_parallel::Sequential;
use commonware_utils::{from_hex, N3f1};
use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader},
};

/// Prints how many different certificates were valid and how many were not.
pub fn run<S: Suite>(a: &Args) -> Result<(), String> {
    let w = World::<S>::new(a.number("seed", 1)?, a.number("validators", 4)? as usize);
    let (mut seen, mut valid, mut invalid) = (HashSet::new(), 0u64, 0u64);
    for path in &a.files {
        let file = File::open(path).map_err(|e| format!("{path}: {e}"))?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|e| format!("{path}: {e}"))?;
            // A killed process leaves its last line incomplete.
            let Some((about, _time)) = line.rsplit_once(' ').filter(|_| line.split(' ').count() == 6) else {
                continue;
            };
            if !seen.insert(about.to_string()) {
                continue;
            }
            if holds::<S>(&w.verifier, about).unwrap_or(false) {
                valid += 1;
            } else {
                invalid += 1;
                eprintln!("{path}: not valid: {line}");
            }
        }
    }
    println!("{}", serde_json::json!({"library": "upstream", "valid": valid, "invalid": invalid}));
    Ok(())
}

/// None if the line cannot be read.
fn holds<S: Suite>(verifier: &S::Scheme, about: &str) -> Option<bool> {
    let [sequencer, height, epoch, payload, certificate] =
        about.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let sequencer = PublicKey::decode(&from_hex(sequencer)?[..]).ok()?;
    let payload: [u8; 32] = from_hex(payload)?.try_into().ok()?;
    let chunk = Chunk::new(sequencer, Height::new(height.parse().ok()?), Digest(payload));
    let epoch = Epoch::new(epoch.parse().ok()?);
    let config = verifier.certificate_codec_config();
    let certificate =
        <S::Scheme as Scheme>::Certificate::decode_cfg(&from_hex(certificate)?[..], &config).ok()?;
    let subject = AckSubject { chunk: &chunk, epoch };
    Some(verifier.verify_certificate::<_, Digest, N3f1>(
        &mut rand::rngs::OsRng,
        subject,
        &certificate,
        &Sequential,
    ))
}
