//! Encodings that are no points, and points that are no valid signatures.

use blst::*;
use commonware_codec::DecodeExt;
use commonware_cryptography::bls12381::primitives::group::{G1, G2};
use curve25519_dalek_ng::{constants::EIGHT_TORSION, scalar::Scalar};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use sha2::{Digest as _, Sha512};

/// The order of both BLS12-381 groups, little-endian.
const ORDER: [u8; 32] = [
    0x01, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0x02, 0xa4, 0xbd, 0x53, 0x05,
    0xd8, 0xa1, 0x09, 0x08, 0xd8, 0x39, 0x33, 0x48, 0x7d, 0x9d, 0x29, 0x53, 0xa7, 0xed, 0x73,
];

/// The modulus of the field, big-endian.
const MODULUS: [u8; 48] = [
    0x1a, 0x01, 0x11, 0xea, 0x39, 0x7f, 0xe6, 0x9a, 0x4b, 0x1b, 0xa7, 0xb6, 0x43, 0x4b, 0xac, 0xd7, 0x64,
    0x77, 0x4b, 0x84, 0xf3, 0x85, 0x12, 0xbf, 0x67, 0x30, 0xd2, 0xa0, 0xf6, 0xb0, 0xf6, 0x24, 0x1e, 0xab,
    0xff, 0xfe, 0xb1, 0x53, 0xff, 0xff, 0xb9, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xaa, 0xab,
];

/// The reason why upstream refuses a compressed point; empty if it reads it.
fn fault(b: &[u8]) -> String {
    let e = match b.len() {
        48 => G1::decode(b).err(),
        _ => G2::decode(b).err(),
    };
    e.map(|e| e.to_string()).unwrap_or_default()
}

/// A compressed x of the curve's field for which upstream gives the wanted reason.
fn search(rng: &mut ChaCha20Rng, size: usize, wanted: &str) -> Vec<u8> {
    loop {
        let mut b = vec![0; size];
        rng.fill_bytes(&mut b);
        b[0] = b[0] & 0x0f | 0x80;
        if size == 96 {
            b[48] &= 0x0f;
        }
        if fault(&b).contains(wanted) {
            return b;
        }
    }
}

/// Adds to a point of the subgroup one whose order divides the cofactor: pairings do not change.
fn with_torsion(rng: &mut ChaCha20Rng, b: &[u8]) -> Vec<u8> {
    let outside = search(rng, b.len(), "Outside");
    let mut sum = vec![0; b.len()];
    // SAFETY: all buffers have the size that the calls demand; all points were read with success.
    unsafe {
        if b.len() == 48 {
            let (mut a, mut p, mut q) = (blst_p1_affine::default(), blst_p1::default(), blst_p1::default());
            assert_eq!(blst_p1_uncompress(&mut a, outside.as_ptr()), BLST_ERROR::BLST_SUCCESS);
            blst_p1_from_affine(&mut p, &a);
            blst_p1_mult(&mut q, &p, ORDER.as_ptr(), 255);
            assert_eq!(blst_p1_uncompress(&mut a, b.as_ptr()), BLST_ERROR::BLST_SUCCESS);
            blst_p1_add_or_double_affine(&mut p, &q, &a);
            blst_p1_compress(sum.as_mut_ptr(), &p);
        } else {
            let (mut a, mut p, mut q) = (blst_p2_affine::default(), blst_p2::default(), blst_p2::default());
            assert_eq!(blst_p2_uncompress(&mut a, outside.as_ptr()), BLST_ERROR::BLST_SUCCESS);
            blst_p2_from_affine(&mut p, &a);
            blst_p2_mult(&mut q, &p, ORDER.as_ptr(), 255);
            assert_eq!(blst_p2_uncompress(&mut a, b.as_ptr()), BLST_ERROR::BLST_SUCCESS);
            blst_p2_add_or_double_affine(&mut p, &q, &a);
            blst_p2_compress(sum.as_mut_ptr(), &p);
        }
    }
    assert!(fault(&sum).contains("Outside"), "the sum must have left the subgroup");
    sum
}

/// Adds the modulus to the field element at the end of `b`, if its 381 bits have room for that.
fn not_reduced(b: &[u8]) -> Option<Vec<u8>> {
    let mut out = b.to_vec();
    let x = &mut out[b.len() - 48..];
    let flags = if b.len() == 48 { x[0] & 0xe0 } else { 0 };
    x[0] &= 0x1f;
    let mut carry = 0;
    for i in (0..48).rev() {
        let sum = x[i] as u16 + MODULUS[i] as u16 + carry;
        x[i] = sum as u8;
        carry = sum >> 8;
    }
    // G1 has three bits for flags there, and G2's second element all 384.
    if carry > 0 || b.len() == 48 && x[0] & 0xe0 != 0 {
        return None;
    }
    x[0] |= flags;
    Some(out)
}

/// Faulty BLS signatures, made from a good one, with names.
pub fn bad_bls(rng: &mut ChaCha20Rng, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let size = good.len();
    let first = |b: u8| {
        let mut v = vec![0; size];
        v[0] = b;
        v
    };
    let changed = |at: usize, f: &dyn Fn(u8) -> u8| {
        let mut v = good.to_vec();
        v[at] = f(v[at]);
        v
    };
    let mut junk = first(0xc0);
    junk[size - 1] = 1;
    let mut modulus = vec![0; size];
    modulus[..48].copy_from_slice(&MODULUS);
    modulus[0] |= 0x80;
    let mut all = vec![
        ("the identity", first(0xc0)),
        ("the identity with a sign", first(0xe0)),
        ("the identity with junk", junk),
        ("the identity uncompressed", first(0x40)),
        ("all zero", vec![0; size]),
        ("all ones", vec![0xff; size]),
        ("no compression flag", changed(0, &|b| b & 0x7f)),
        ("a flag of infinity on a point", changed(0, &|b| b | 0x40)),
        ("the other sign", changed(0, &|b| b ^ 0x20)),
        ("a field element equal to the modulus", modulus),
        ("off the curve", search(rng, size, "Not on curve")),
        ("outside the subgroup", search(rng, size, "Outside")),
        ("the right point plus one of small order", with_torsion(rng, good)),
        ("another point of the subgroup", search_good(rng, size)),
    ];
    if let Some(b) = not_reduced(good) {
        all.push(("a field element not reduced", b));
    }
    if size == 96 {
        let mut second = vec![0; size];
        second[48..].copy_from_slice(&MODULUS);
        second[0] = 0x80;
        all.push(("a second field element equal to the modulus", second));
        let mut flagged = good.to_vec();
        flagged[48] |= 0x80;
        all.push(("a flag on the second field element", flagged));
    }
    all
}

/// The compressed hash of random bytes.
fn search_good(rng: &mut ChaCha20Rng, size: usize) -> Vec<u8> {
    let mut m = [0; 32];
    rng.fill_bytes(&mut m);
    let mut b = vec![0; size];
    let (dst, aug) = (b"lanecast", b"");
    // SAFETY: all buffers have the size that is passed to the calls.
    unsafe {
        if size == 48 {
            let mut p = blst_p1::default();
            let (d, a) = (dst.as_ptr(), aug.as_ptr());
            blst_hash_to_g1(&mut p, m.as_ptr(), m.len(), d, dst.len(), a, 0);
            blst_p1_compress(b.as_mut_ptr(), &p);
        } else {
            let mut p = blst_p2::default();
            let (d, a) = (dst.as_ptr(), aug.as_ptr());
            blst_hash_to_g2(&mut p, m.as_ptr(), m.len(), d, dst.len(), a, 0);
            blst_p2_compress(b.as_mut_ptr(), &p);
        }
    }
    assert!(fault(&b).is_empty());
    b
}

/// Faulty Ed25519 signatures, made from a good one, with names.
pub fn bad_ed25519(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let changed = |at: usize, f: &dyn Fn(u8) -> u8| {
        let mut v = good.to_vec();
        v[at] = f(v[at]);
        v
    };
    let mut high = good.to_vec();
    let mut carry = 0;
    for (i, l) in L.iter().enumerate() {
        let sum = high[32 + i] as u16 + *l as u16 + carry;
        high[32 + i] = sum as u8;
        carry = sum >> 8;
    }
    let mut neutral = vec![0; 64];
    neutral[0] = 1;
    let mut off = good.to_vec();
    off[..32].copy_from_slice(&off_curve());
    vec![
        ("all zero", vec![0; 64]),
        ("all ones", vec![0xff; 64]),
        ("R the identity and s zero", neutral),
        ("R off the curve", off),
        ("R with the other sign", changed(31, &|b| b ^ 0x80)),
        ("s not reduced", high),
        ("s with its highest bit set", changed(63, &|b| b | 0x80)),
        ("one bit of s flipped", changed(32, &|b| b ^ 1)),
    ]
}

/// The order of Ed25519's prime subgroup, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// An encoding of no point of edwards25519: y = 2.
pub fn off_curve() -> [u8; 32] {
    let mut b = [0; 32];
    b[0] = 2;
    b
}

/// Encodings of the points of small order: the eight canonical ones, and those that are not
/// canonical.
pub fn small_order() -> Vec<(String, [u8; 32])> {
    let mut all: Vec<_> = EIGHT_TORSION
        .iter()
        .enumerate()
        .map(|(i, p)| (format!("point {i} of small order"), p.compress().to_bytes()))
        .collect();
    let end = |first: u8, last: u8| {
        let mut b = [0xff; 32];
        b[0] = first;
        b[31] = last;
        b
    };
    let mut negative_zero = [0; 32];
    negative_zero[0] = 1;
    negative_zero[31] = 0x80;
    for (name, b) in [
        ("y = 1 with the sign of x set", negative_zero),
        ("y = −1 with the sign of x set", end(0xec, 0xff)),
        ("y = p", end(0xed, 0x7f)),
        ("y = p with the sign of x set", end(0xed, 0xff)),
        ("y = p + 1", end(0xee, 0x7f)),
        ("y = p + 1 with the sign of x set", end(0xee, 0xff)),
    ] {
        all.push((format!("not canonical, {name}"), b));
    }
    all
}

/// A signature by the key of a seed whose R is given, a point of small order. The equation holds
/// when multiplied by the cofactor, which suffices for ZIP-215.
pub fn craft(seed: &[u8; 32], public: &[u8], r: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let expanded = Sha512::digest(seed);
    let mut a = [0; 32];
    a.copy_from_slice(&expanded[..32]);
    a[0] &= 0xf8;
    a[31] = a[31] & 0x7f | 0x40;
    let mut h = [0; 64];
    h.copy_from_slice(&Sha512::new().chain_update(r).chain_update(public).chain_update(message).finalize());
    let s = Scalar::from_bytes_mod_order_wide(&h) * Scalar::from_bytes_mod_order(a);
    [&r[..], &s.to_bytes()[..]].concat()
}
