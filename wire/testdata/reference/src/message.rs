//! Encodings split into parts, so that one part can be changed at a time.

use crate::{
    oracle::Kind,
    suite::{Layout, Suite},
};

/// An encoding in parts. Joined they are the bytes that upstream wrote.
#[derive(Clone)]
pub struct Message {
    pub kind: Kind,
    parts: Vec<(&'static str, Vec<u8>)>,
}

impl Message {
    /// Splits an encoding that upstream wrote.
    pub fn split<S: Suite>(kind: Kind, encoded: &[u8]) -> Self {
        let mut m = Self { kind, parts: Vec::new() };
        let mut rest = encoded;
        if kind == Kind::Activity {
            m.take("tag", 1, &mut rest);
        }
        if kind != Kind::Parent {
            m.take("sequencer", 32, &mut rest);
            m.varint("height", &mut rest);
            m.take("payload", 32, &mut rest);
        }
        let locked = kind == Kind::Lock || kind == Kind::Activity && encoded[0] == 1;
        let proposed = kind == Kind::Proposal || kind == Kind::Activity && encoded[0] == 0;
        if proposed || kind == Kind::Node {
            m.take("chunk signature", 64, &mut rest);
        }
        if kind == Kind::Node {
            m.take("option", 1, &mut rest);
        }
        if kind == Kind::Parent || kind == Kind::Node && m.get("option")[0] == 1 {
            m.take("parent payload", 32, &mut rest);
            m.varint("parent epoch", &mut rest);
            m.certificate::<S>(&mut rest);
        }
        if locked {
            m.varint("epoch", &mut rest);
            m.certificate::<S>(&mut rest);
        }
        if kind == Kind::Ack {
            m.varint("epoch", &mut rest);
            m.varint("participant", &mut rest);
            m.take("signature", S::SIGNATURE, &mut rest);
        }
        assert!(rest.is_empty(), "a {} is not laid out as we think", kind.name());
        m
    }

    fn certificate<S: Suite>(&mut self, rest: &mut &[u8]) {
        if S::LAYOUT != Layout::Single {
            self.take("bitmap length", 8, rest);
            let n = u64::from_be_bytes(self.get("bitmap length").try_into().expect("8 bytes"));
            self.take("bitmap", n.div_ceil(8) as usize, rest);
        }
        if S::LAYOUT == Layout::List {
            self.varint("count", rest);
            let signers: u32 = self.get("bitmap").iter().map(|b| b.count_ones()).sum();
            self.take("signature", signers as usize * S::SIGNATURE, rest);
        } else {
            self.take("signature", S::SIGNATURE, rest);
        }
    }

    fn take(&mut self, name: &'static str, n: usize, rest: &mut &[u8]) {
        self.parts.push((name, rest[..n].to_vec()));
        *rest = &rest[n..];
    }

    fn varint(&mut self, name: &'static str, rest: &mut &[u8]) {
        let n = rest.iter().position(|b| *b < 0x80).expect("a varint ends") + 1;
        self.take(name, n, rest);
    }

    pub fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|p| p.0 == name)
    }

    pub fn get(&self, name: &str) -> &[u8] {
        let part = self.parts.iter().find(|p| p.0 == name);
        &part.unwrap_or_else(|| panic!("no {name} in a {}", self.kind.name())).1
    }

    /// The message with one part replaced.
    pub fn with(&self, name: &str, b: impl Into<Vec<u8>>) -> Self {
        let mut m = self.clone();
        let part = m.parts.iter_mut().find(|p| p.0 == name);
        part.unwrap_or_else(|| panic!("no {name} in a {}", self.kind.name())).1 = b.into();
        m
    }

    /// The message up to and including a part.
    pub fn until(&self, name: &str) -> Self {
        let mut m = self.clone();
        let end = m.parts.iter().position(|p| p.0 == name).expect("a part") + 1;
        m.parts.truncate(end);
        m
    }

    /// The message with one bit of a part flipped.
    pub fn flipped(&self, name: &str) -> Self {
        let mut b = self.get(name).to_vec();
        b[0] ^= 1;
        self.with(name, b)
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|p| p.1.clone()).collect()
    }
}

/// LEB128.
pub fn varint(mut v: u64) -> Vec<u8> {
    let mut b = Vec::new();
    while v >= 0x80 {
        b.push(v as u8 | 0x80);
        v >>= 7;
    }
    b.push(v as u8);
    b
}

/// The same value in `length` bytes, more than it needs.
pub fn padded(v: u64, length: usize) -> Vec<u8> {
    let mut b = varint(v);
    assert!(b.len() < length);
    *b.last_mut().expect("not empty") |= 0x80;
    b.resize(length - 1, 0x80);
    b.push(0);
    b
}

/// The numbers on both sides of each growth of a varint by a byte, for integers of that many bits,
/// and the ends of the range.
pub fn boundaries(bits: u32) -> Vec<u64> {
    let max = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut all = vec![0, 1];
    for shift in (7..bits).step_by(7) {
        all.extend([(1u64 << shift) - 1, 1u64 << shift]);
    }
    all.extend([max - 1, max]);
    all
}

/// Signers ‖ their bits, over a set of n.
pub fn bitmap(n: u64, signers: impl IntoIterator<Item = u32>) -> (Vec<u8>, Vec<u8>) {
    let mut bits = vec![0; n.div_ceil(8) as usize];
    for i in signers {
        bits[i as usize / 8] |= 1 << (i % 8);
    }
    (n.to_be_bytes().to_vec(), bits)
}
