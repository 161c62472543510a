//! Acks, certificates and proposals that decode and do not verify, one for each possible fault.

use crate::{
    generate::{digest, some, World},
    message::{bitmap, boundaries, varint, Message},
    oracle::Kind,
    points,
    record::{Expect, Recorder},
    suite::{Identity, Layout, Suite},
};
use commonware_codec::Encode;
use commonware_consensus::ordered_broadcast::types::{Activity, Node};
use commonware_cryptography::{ed25519::PublicKey, sha256::Digest};
use commonware_utils::{union, union_unique};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

/// Acks that decode and do not verify, except the first and those that ZIP-215 accepts.
pub fn acks<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, all: bool, r: &mut Recorder<S>) {
    let n = w.validators.len() as u32;
    let who = rng.next_u64() as u32 % n;
    let sequencer = w.sequencer(rng, true);
    let other = (who + 1) % n;
    let (height, epoch) = (300, 20_000);
    let payload = digest(rng);
    let chunk = w.chunk(sequencer, height, payload);
    let good = w.split(Kind::Ack, &w.ack(who, &chunk, epoch));
    let signed = |m: Message| m.get("signature").to_vec();
    let about = |what: &str| format!("ack, n={n}, {what}");

    let elsewhere = w.ack(who, &w.chunk(sequencer, height + 1, payload), epoch);
    let elsewhere = signed(w.split(Kind::Ack, &elsewhere));
    let later = signed(w.split(Kind::Ack, &w.ack(who, &chunk, epoch + 1)));
    let stranger = World::<S>::new(rng, &w.validators.namespace, n as usize);
    let strange = signed(w.split(Kind::Ack, &stranger.ack(who, &chunk, epoch)));
    let mut invalid = |what: &str, m: Message| r.add(about(what), &m, Expect::Invalid);
    invalid("key of no validator", good.with("signature", strange));
    invalid("another payload", good.flipped("payload"));
    invalid("another height", good.with("height", varint(height + 1)));
    invalid("another epoch", good.with("epoch", varint(epoch + 1)));
    invalid("signature on another height", good.with("signature", elsewhere));
    invalid("signature on another epoch", good.with("signature", later));
    invalid("another sequencer", good.with("sequencer", Identity::random(rng).public().encode()));
    if n > 1 {
        invalid("another signer", good.with("participant", varint(other as u64)));
    }
    invalid("a participant one past the set", good.with("participant", varint(n as u64)));
    if all || S::LAYOUT == Layout::List {
        for p in boundaries(32) {
            if p > n as u64 {
                invalid(&format!("participant {p}"), good.with("participant", varint(p)));
            }
        }
    }
    for (what, b) in S::spoil(rng, good.get("signature")) {
        invalid(what, good.with("signature", b));
    }
    another_namespace(w, &about("another namespace"), &good, r);

    // The right bytes under the wrong suffix, and a signature that is valid only because of the
    // cofactor: only for schemes that sign with identity keys.
    if S::IDENTITY_KEYS {
        let key = &w.validators.identities[who as usize];
        let proposal = w.signer(key).sign(&chunk).encode();
        r.add(about("a chunk's signature"), &good.with("signature", proposal), Expect::Invalid);
        let subject = [chunk.encode().to_vec(), varint(epoch)].concat();
        let m = union_unique(&union(&w.validators.namespace, b"_ACK"), &subject);
        let step = if all { 1 } else { 4 };
        for (name, point) in points::small_order().into_iter().step_by(step) {
            let s = points::craft(&key.seed, &key.public(), &point, &m);
            r.add(about(&format!("R {name}")), &good.with("signature", s), Expect::Valid);
        }
    }
    if S::LAYOUT != Layout::List {
        unreduced(rng, w, r);
    }
}

/// A good message, verified under a namespace that has the right one as a prefix.
fn another_namespace<S: Suite>(w: &World<S>, name: &str, m: &Message, r: &mut Recorder<S>) {
    let longer = [&w.validators.namespace[..], b"!"].concat();
    let mut under = r.under(&longer);
    under.add(name.into(), m, Expect::Invalid);
    r.cases.append(&mut under.cases);
}

/// An ack whose signature contains a field element plus the modulus; payloads are tried until one
/// has room for that.
fn unreduced<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, r: &mut Recorder<S>) {
    loop {
        let chunk = w.chunk(w.sequencer(rng, true), 300, digest(rng));
        let good = w.split(Kind::Ack, &w.ack(0, &chunk, 1));
        let all = points::bad_bls(rng, good.get("signature"));
        if let Some((what, b)) = all.into_iter().find(|b| b.0.ends_with("not reduced")) {
            let n = w.validators.len();
            r.add(format!("ack, n={n}, valid, before the next"), &good, Expect::Valid);
            r.add(format!("ack, n={n}, the same with {what}"), &good.with("signature", b), Expect::Invalid);
            return;
        }
    }
}

/// Locks and nodes whose certificates decode and do not verify.
///
/// Bad points are tried in those types that `points_in` lists.
pub fn certificates<S: Suite>(
    rng: &mut ChaCha20Rng,
    w: &World<S>,
    kinds: &[Kind],
    points_in: &[Kind],
    r: &mut Recorder<S>,
) {
    let n = w.validators.len();
    let quorum = w.validators.quorum();
    let who = some(rng, n, quorum);
    let missing = (0..n as u32).find(|i| !who.contains(i));
    let sequencer = w.sequencer(rng, true);
    let (height, epoch) = (300, 20_000);
    let payload = digest(rng);
    let chunk = w.chunk(sequencer, height, payload);
    let lock = w.lock(&chunk, epoch, w.certificate(&who, &chunk, epoch));
    let node = {
        let proposal = w.proposal(sequencer, &w.chunk(sequencer, height + 1, digest(rng)));
        let parent = w.parent(&chunk, epoch, w.certificate(&who, &chunk, epoch));
        let node =
            Node::<PublicKey, S::Scheme, Digest>::new(proposal.chunk, proposal.signature, Some(parent));
        w.split(Kind::Node, &node)
    };
    let stranger = World::<S>::new(rng, &w.validators.namespace, n);
    for &kind in kinds {
        let good = if kind == Kind::Lock { &lock } else { &node };
        let about = |what: &str| format!("{}, n={n}, {what}", kind.name());
        r.add(about("before it is spoiled"), good, Expect::Valid);
        let mut invalid = |what: &str, m: Message| r.add(about(what), &m, Expect::Invalid);
        // The certificate, made again from signatures on another chunk.
        let made = |by: &[(u32, Vec<u8>)], signers: &[u32], bits: u64| {
            let mut m = good.with("signature", S::combine(by));
            if S::LAYOUT != Layout::Single {
                let (len, b) = bitmap(bits, signers.iter().copied());
                m = m.with("bitmap length", len).with("bitmap", b);
            }
            if S::LAYOUT == Layout::List {
                m = m.with("count", varint(by.len() as u64));
            }
            m
        };
        let sign = |w: &World<S>, who: &[u32]| w.signatures(who, &chunk, epoch);
        invalid("keys of no validators", made(&sign(&stranger, &who), &who, n as u64));
        let (epoch_part, payload_part) = match kind {
            Kind::Lock => ("epoch", "payload"),
            _ => ("parent epoch", "parent payload"),
        };
        invalid("another epoch", good.with(epoch_part, varint(epoch + 1)));
        invalid("another payload", good.flipped(payload_part));
        invalid("another height", good.with("height", varint(height + 2)));
        invalid("another sequencer", good.with("sequencer", Identity::random(rng).public().encode()));
        let below = w.chunk(sequencer, height - 1, payload);
        invalid("signed for the height below", made(&w.signatures(&who, &below, epoch), &who, n as u64));
        if quorum > 1 {
            let few = &who[1..];
            invalid("quorum short by one", made(&sign(w, few), few, n as u64));
            if S::LAYOUT != Layout::Single {
                let short = made(&sign(w, few), &who, n as u64);
                match S::LAYOUT {
                    Layout::List => {} // it would not decode
                    _ => invalid("a signer whose signature is missing", short),
                }
                invalid("one signature twice, for two signers", {
                    let mut all = sign(w, &who);
                    all[0].1 = all[1].1.clone();
                    made(&all, &who, n as u64)
                });
            }
        }
        if let (Some(missing), true) = (missing, S::LAYOUT != Layout::Single) {
            let mut swapped = who.clone();
            swapped[0] = missing;
            swapped.sort_unstable();
            invalid("signer swapped", made(&sign(w, &who), &swapped, n as u64));
            if S::LAYOUT == Layout::Aggregate {
                let mut more = who.clone();
                more.push(missing);
                invalid("one signer more than signed", made(&sign(w, &who), &more, n as u64));
                let mut again = sign(w, &who);
                again.push(again[0].clone());
                invalid("one signature twice, for one signer", made(&again, &who, n as u64));
            }
            // A quorum among the first n − 1 validators, with a bitmap over n − 1.
            if quorum < n {
                let first: Vec<u32> = (0..quorum as u32).collect();
                let m = made(&sign(w, &first), &first, n as u64 - 1);
                invalid("a bitmap shorter than the set", m);
            }
        }
        if S::LAYOUT == Layout::List && quorum > 1 {
            invalid("two signatures swapped", {
                let mut all = sign(w, &who);
                let first = all[0].1.clone();
                all[0].1 = all[1].1.clone();
                all[1].1 = first;
                made(&all, &who, n as u64)
            });
        }
        let signature = good.get("signature");
        let size = S::SIGNATURE;
        if points_in.contains(&kind) {
            for (what, b) in S::spoil(rng, &signature[signature.len() - size..]) {
                let b = [&signature[..signature.len() - size], &b[..]].concat();
                invalid(what, good.with("signature", b));
            }
        }
        if kind == Kind::Node {
            invalid("another payload, not the parent's", good.flipped("payload"));
            let few = if points_in.contains(&kind) { usize::MAX } else { 1 };
            for (what, b) in points::bad_ed25519(good.get("chunk signature")).into_iter().take(few) {
                invalid(&format!("chunk signature {what}"), good.with("chunk signature", b));
            }
            let foreign = w.proposal(&stranger.outsider, &w.chunk(sequencer, height + 1, payload));
            invalid(
                "chunk signature of another sequencer",
                good.with("chunk signature", foreign.signature.encode()),
            );
        }
        another_namespace(w, &about("another namespace"), good, r);
    }
}

/// Proposals that decode and do not verify, and some that only ZIP-215 accepts.
pub fn proposals<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, r: &mut Recorder<S>) {
    let sequencer = Identity::random(rng);
    let chunk = w.chunk(&sequencer, 300, digest(rng));
    let good = w.split(Kind::Proposal, &w.proposal(&sequencer, &chunk));
    let tip = Activity::<PublicKey, S::Scheme, Digest>::Tip(w.proposal(&sequencer, &chunk));
    let tip = w.split(Kind::Activity, &tip);
    for good in [&good, &tip] {
        let about = |what: &str| format!("{}, {what}", good.kind.name());
        let mut invalid = |what: &str, m: Message| r.add(about(what), &m, Expect::Invalid);
        invalid("another payload", good.flipped("payload"));
        invalid("another height", good.with("height", varint(301)));
        invalid("another sequencer", good.with("sequencer", Identity::random(rng).public().encode()));
        let foreign = w.proposal(&Identity::random(rng), &chunk).signature.encode();
        invalid("key of another", good.with("chunk signature", foreign));
        for (what, b) in points::bad_ed25519(good.get("chunk signature")) {
            invalid(what, good.with("chunk signature", b));
        }
    }
    let ns = &w.validators.namespace;
    let m = union_unique(&union(ns, b"_CHUNK"), &chunk.encode());
    for (name, point) in points::small_order() {
        let s = points::craft(&sequencer.seed, &sequencer.public(), &point, &m);
        r.add(format!("proposal, R {name}"), &good.with("chunk signature", s), Expect::Valid);
    }
    let m = union_unique(&union(ns, b"_ACK"), &chunk.encode());
    let s = points::craft(&sequencer.seed, &sequencer.public(), &points::small_order()[0].1, &m);
    r.add("proposal, signed as an ack".into(), &good.with("chunk signature", s), Expect::Invalid);
    let m = union_unique(ns, &chunk.encode());
    let s = points::craft(&sequencer.seed, &sequencer.public(), &points::small_order()[0].1, &m);
    r.add(
        "proposal, signed under the bare namespace".into(),
        &good.with("chunk signature", s),
        Expect::Invalid,
    );
    // Keys of small order: R the identity and s zero is their signature on every message.
    let mut neutral = [0; 64];
    neutral[0] = 1;
    for (name, key) in points::small_order() {
        let m = good.with("sequencer", key).with("chunk signature", neutral);
        r.add(format!("proposal, the sequencer's key {name}"), &m, Expect::Valid);
    }
    let mut under =
        Recorder::<S>::without_set(&World::<S>::new(rng, &[ns, &b"!"[..]].concat(), 1).validators);
    under.add("proposal, another namespace".into(), &good, Expect::Invalid);
    r.cases.append(&mut under.cases);
}
