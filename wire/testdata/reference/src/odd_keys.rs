//! Sets of keys that no honest dealer makes.

use crate::{
    generate::{digest, World},
    message::{bitmap, varint},
    oracle::Kind,
    points,
    record::{Expect, Recorder},
    suite::{Identity, Suite},
    vector::Validator,
};
use commonware_utils::hex;
use rand_chacha::ChaCha20Rng;

/// A multisig set in which the sum of three of four keys is the identity: no signature is valid for
/// these three.
pub fn cancelling<S: Suite>(rng: &mut ChaCha20Rng, namespace: &[u8]) -> Recorder<S> {
    let w = World::<S>::new(rng, namespace, 4);
    let mut keys: Vec<Validator> = w.validators.described.clone();
    // Sums of keys, computed like sums of signatures: x·g in the other group.
    let minus = |b: &str| {
        let mut b = commonware_utils::from_hex(b).expect("a key");
        b[0] ^= 0x20;
        hex(&b)
    };
    keys[1].public = minus(&keys[0].public);
    for k in &mut keys {
        k.proof.clear();
    }
    let mut r = Recorder::<S>::of(namespace, keys, "");
    let sequencer = Identity::random(rng);
    let chunk = w.chunk(&sequencer, 300, digest(rng));
    // Validator 1's signature is the opposite of validator 0's, so the sum of all four is that of 2
    // and 3.
    let mut all = w.signatures(&[2, 3], &chunk, 1);
    let lock = w.lock(&chunk, 1, w.certificate(&[0, 1, 2, 3], &chunk, 1));
    let good = lock.with("signature", S::combine(&all));
    r.add("lock, two keys that cancel, all validators".into(), &good, Expect::Valid);
    all.pop();
    let (len, b) = bitmap(4, [0, 1, 2]);
    let good = good.with("bitmap length", len).with("bitmap", b);
    let good = good.with("signature", S::combine(&all));
    r.add("lock, two keys that cancel, exact quorum".into(), &good, Expect::Valid);
    r
}

/// An Ed25519 set with a validator whose key is of small order and not canonical.
pub fn weak<S: Suite>(rng: &mut ChaCha20Rng, namespace: &[u8], r: &mut Vec<Recorder<S>>) {
    let w = World::<S>::new(rng, namespace, 4);
    let sequencer = Identity::random(rng);
    let chunk = w.chunk(&sequencer, 300, digest(rng));
    for (name, point) in points::small_order() {
        let mut keys = w.validators.described.clone();
        keys.truncate(3);
        keys.push(Validator { identity: hex(&point), public: hex(&point), proof: String::new() });
        keys.sort_by(|a, b| a.identity.cmp(&b.identity));
        let place = keys.iter().position(|k| k.identity == hex(&point)).expect("it is there") as u32;
        let mut neutral = vec![0; 64];
        neutral[0] = 1;
        let mut signatures = vec![(place, neutral.clone())];
        for old in 0..2 {
            let now = old + (place <= old) as u32;
            signatures.push((now, w.signatures(&[old], &chunk, 1)[0].1.clone()));
        }
        signatures.sort();
        let who: Vec<u32> = signatures.iter().map(|s| s.0).collect();
        let (len, b) = bitmap(4, who);
        let lock = w.lock(&chunk, 1, w.certificate(&[0, 1, 2], &chunk, 1));
        let lock =
            lock.with("bitmap length", len).with("bitmap", b).with("signature", S::combine(&signatures));
        let mut one = Recorder::<S>::of(namespace, keys, "");
        one.add(format!("lock, a validator's key {name}"), &lock, Expect::Valid);
        let ack = w.split(Kind::Ack, &w.ack(0, &chunk, 1));
        let ack = ack.with("participant", varint(place as u64)).with("signature", neutral);
        one.add(format!("ack, a validator's key {name}"), &ack, Expect::Valid);
        r.push(one);
    }
}
