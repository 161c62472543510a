//! Encodings that a decoder must refuse.

use crate::{
    generate::{digest, World},
    message::{padded, varint, Message},
    oracle::Kind,
    points,
    record::{Difference, Expect, Recorder},
    suite::{Identity, Layout, Suite},
};
use commonware_codec::Encode;
use rand_chacha::ChaCha20Rng;

const TRAILING: &str = "upstream's engine does not look at what follows a node; Lanecast refuses it";
const NO_POINT: &str =
    "upstream decodes the sequencer's key; to Lanecast it is bytes, unknown because it is in no set";
const OURS: &str = "tags from 0x10 on are Lanecast's own";

/// Varints, options, tags and lengths that no encoder writes.
pub fn structure<S: Suite>(m: &Message, r: &mut Recorder<S>) {
    let kind = m.kind.name();
    let mut refuse = |what: String, m: Message| r.add(format!("{kind}, {what}"), &m, Expect::Refused);
    for (name, longest) in
        [("height", 10), ("parent epoch", 10), ("epoch", 10), ("participant", 5), ("count", 5)]
    {
        if !m.has(name) {
            continue;
        }
        let v = m.get(name);
        let value = v.iter().rev().fold(0, |a, b| a << 7 | (b & 0x7f) as u64);
        if v.len() < longest {
            refuse(format!("{name} one byte too long"), m.with(name, padded(value, v.len() + 1)));
            refuse(format!("{name} padded to {longest} bytes"), m.with(name, padded(value, longest)));
        }
        let mut wide = vec![0xff; longest];
        wide[longest - 1] = if longest == 10 { 0x02 } else { 0x10 };
        refuse(format!("{name} one bit too wide"), m.with(name, wide.clone()));
        wide[longest - 1] = 0x7f;
        refuse(format!("{name} too wide"), m.with(name, wide.clone()));
        wide[longest - 1] = 0x81;
        wide.push(0x00);
        refuse(format!("{name} of {} bytes", longest + 1), m.with(name, wide.clone()));
        wide.fill(0xff);
        refuse(format!("{name} without end"), m.with(name, wide));
    }
    if m.has("option") {
        for option in [0x02, 0x80, 0xff] {
            refuse(format!("option byte {option:#04x}"), m.with("option", [option]));
        }
        if m.has("parent payload") {
            refuse("no parent above height 0".into(), m.until("option").with("option", [0]));
            refuse("option byte 0x00 before a parent".into(), m.with("option", [0]));
            refuse("parent at height 0".into(), m.with("height", [0]));
        } else {
            refuse("option byte 0x01 and no parent".into(), m.with("option", [1]));
        }
    }
    if m.has("tag") {
        for tag in [0x02, 0x0f, 0x15, 0x80, 0xff] {
            refuse(format!("tag {tag:#04x}"), m.with("tag", [tag]));
        }
        let other = 1 - m.get("tag")[0];
        refuse(format!("tag {other:#04x} instead"), m.with("tag", [other]));
    }
    for (what, tail) in [("a zero byte after it", vec![0]), ("itself after it", m.bytes())] {
        let b = [m.bytes(), tail].concat();
        let name = format!("{kind}, {what}");
        if m.kind == Kind::Node {
            let d = Difference { reason: TRAILING, decode: false, verify: None };
            r.differ(name, m.kind, &b, Expect::Valid, d);
        } else {
            r.record(name, m.kind, &b, Expect::Refused, None);
        }
    }
    if m.has("sequencer") {
        let b = m.with("sequencer", points::off_curve()).bytes();
        let verify = (m.kind != Kind::Chunk).then_some(false);
        let d = Difference { reason: NO_POINT, decode: true, verify };
        r.differ(format!("{kind}, sequencer's key no point"), m.kind, &b, Expect::Refused, d);
    }
}

/// A conflict as Lanecast reports it, which upstream does not have.
pub fn ours<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, r: &mut Recorder<S>) {
    let sequencer = Identity::random(rng);
    let mut b = vec![0x10];
    b.extend(w.proposal(&sequencer, &w.chunk(&sequencer, 300, digest(rng))).encode());
    b.push(0);
    b.extend(w.proposal(&sequencer, &w.chunk(&sequencer, 300, digest(rng))).encode());
    let d = Difference { reason: OURS, decode: true, verify: Some(true) };
    r.differ("activity, a conflict".into(), Kind::Activity, &b, Expect::Refused, d);
}

/// Bitmaps and counts that do not fit the set or each other.
pub fn signers<S: Suite>(w: &World<S>, m: &Message, r: &mut Recorder<S>) {
    if S::LAYOUT == Layout::Single {
        return;
    }
    let n = w.validators.len() as u64;
    let kind = m.kind.name();
    let mut refuse = |what: &str, m: Message| {
        r.add(format!("{kind}, n={n}, {what}"), &m, Expect::Refused);
    };
    let signature = m.get("signature").to_vec();
    let bits = m.get("bitmap").to_vec();
    let sized = |len: u64| {
        let mut b = bits.clone();
        b.resize(len.div_ceil(8) as usize, 0);
        m.with("bitmap length", len.to_be_bytes()).with("bitmap", b)
    };
    refuse("a bitmap longer than the set", sized(n + 1));
    refuse("a bitmap a byte longer than the set", sized(n + 8));
    refuse(
        "a bitmap longer than the set, its bytes missing",
        m.with("bitmap length", (n + 64).to_be_bytes()),
    );
    refuse("a bitmap of 2³² + n bits", m.with("bitmap length", ((1 << 32) + n).to_be_bytes()));
    refuse("a bitmap of u64's largest length", m.with("bitmap length", [0xff; 8]));
    refuse("the bitmap's length little-endian", m.with("bitmap length", n.to_le_bytes()));
    if n % 8 != 0 {
        let mut b = bits.clone();
        *b.last_mut().expect("bits") |= 1 << (n % 8);
        refuse("the first stray bit", m.with("bitmap", b));
        let mut b = bits.clone();
        *b.last_mut().expect("bits") |= 0x80;
        refuse("the last stray bit", m.with("bitmap", b));
    }
    let none = m.with("bitmap", vec![0; bits.len()]);
    refuse("no signers", none.clone());
    refuse("a bitmap of no bits", sized(0));
    if S::LAYOUT != Layout::List {
        return;
    }
    let count = signature.len() / 64;
    let counted = |c: usize, s: &[u8]| m.with("count", varint(c as u64)).with("signature", s);
    let longer = [&signature[..], &signature[..64]].concat();
    let shorter = &signature[..signature.len() - 64];
    refuse("no signers, no signatures", none.with("count", [0]).with("signature", []));
    refuse("no signatures", counted(0, &[]));
    refuse("one signature more than signers", counted(count + 1, &longer));
    refuse("one signature less than signers", counted(count - 1, shorter));
    refuse("a count one too high", counted(count + 1, &signature));
    refuse("a count one too low", counted(count - 1, &signature));
    refuse("a signature missing", m.with("signature", shorter));
    refuse("more signatures than validators", counted(n as usize + 1, &signature.repeat(2)));
    refuse("a count of u32's largest value", counted(u32::MAX as usize, &signature));
    if count > 1 {
        let mut b = bits;
        let first = b.iter_mut().find(|b| **b != 0).expect("a signer");
        *first &= *first - 1;
        refuse("one signer less than signatures", m.with("bitmap", b));
    }
}
