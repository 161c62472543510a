//! ECDSA over P-256: encodings that are no signatures, encodings that are no keys, and keys made
//! for a given signature.

use crate::{
    generate::{digest, World},
    message::varint,
    oracle::Kind,
    record::{Expect, Recorder},
    suite::{Identity, Secp256r1},
    vector::Case,
};
use commonware_codec::{DecodeExt, Encode};
use commonware_cryptography::secp256r1::standard::PublicKey;
use commonware_utils::{hex, union, union_unique};
use p256::{
    elliptic_curve::{ops::Reduce, sec1::ToEncodedPoint, PrimeField},
    FieldBytes, ProjectivePoint, Scalar, U256,
};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use sha2::{Digest as _, Sha256};

/// The type of the cases about keys.
pub const KEY: &str = "key";

pub fn decode(b: &[u8]) -> Result<PublicKey, String> {
    PublicKey::decode(b).map_err(|e| e.to_string())
}

/// The order, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The modulus of the field, big-endian.
const MODULUS: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// a − b, for a ≥ b.
fn minus(a: &[u8; 32], b: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = 0;
    for i in (0..32).rev() {
        let d = a[i] as i16 - b[i] as i16 - borrow;
        out[i] = d as u8;
        borrow = (d < 0) as i16;
    }
    out
}

/// ⌊order / 2⌋, the largest s that is allowed.
fn half() -> [u8; 32] {
    let mut out = [0; 32];
    for i in 0..32 {
        out[i] = ORDER[i] >> 1 | if i > 0 { ORDER[i - 1] << 7 } else { 0 };
    }
    out
}

/// Faulty signatures, made from a good one, with names.
pub fn bad(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (r, s) = good.split_at(32);
    let joined = |r: &[u8], s: &[u8]| [r, s].concat();
    let mut flipped = good.to_vec();
    flipped[63] ^= 1;
    vec![
        ("all zero", vec![0; 64]),
        ("all ones", vec![0xff; 64]),
        ("r zero", joined(&[0; 32], s)),
        ("s zero", joined(r, &[0; 32])),
        ("r the order", joined(&ORDER, s)),
        ("s the order", joined(r, &ORDER)),
        ("the other s, which is high", joined(r, &minus(&ORDER, s))),
        ("r and s swapped", joined(s, r)),
        ("r negated", joined(&minus(&ORDER, r), s)),
        ("one bit of s flipped", flipped),
    ]
}

/// Encodings of keys, most of them wrong.
pub fn keys(rng: &mut ChaCha20Rng) -> Vec<Case> {
    let mut random = || {
        let mut k = [0; 32];
        rng.fill_bytes(&mut k);
        (ProjectivePoint::GENERATOR * scalar(&k)).to_affine()
    };
    let mut even = random();
    while even.to_encoded_point(true).as_bytes()[0] != 2 {
        even = random();
    }
    let good = even.to_encoded_point(true).as_bytes().to_vec();
    let tagged = |tag: u8| -> Vec<u8> { [&[tag][..], &good[1..]].concat() };
    let mut off = good.clone();
    while decode(&off).is_ok() {
        off[32] ^= 1;
        if decode(&off).is_ok() {
            off[31] = off[31].wrapping_add(1);
        }
    }
    let at = |x: [u8; 32]| -> Vec<u8> { [&[2][..], &x[..]].concat() };
    let mut five = [0; 32];
    five[31] = 5;
    let mut one_more = MODULUS;
    one_more[20..].fill(0);
    one_more[19] = 1; // with the carry: the modulus plus 1
    let compact = "a key of 33 bytes that begins with 5, a second form of the same point, is refused here";
    [
        ("y even", tagged(2), true, None),
        ("y odd", tagged(3), true, None),
        ("x is zero", at([0; 32]), true, None),
        ("x is five", at(five), true, None),
        ("of the tag of compact form", tagged(5), true, Some(compact)),
        ("of the tag of the identity", tagged(0), false, None),
        ("of the tag 1", tagged(1), false, None),
        ("of the tag of uncompressed form", tagged(4), false, None),
        ("of the tag 6", tagged(6), false, None),
        ("x of no point", off, false, None),
        ("x is the modulus", at(MODULUS), false, None),
        ("x is the modulus and one more", at(one_more), false, None),
        ("x is all ones", at([0xff; 32]), false, None),
        ("all zero", vec![0; 33], false, None),
        ("the identity", vec![0], false, None),
        ("empty", vec![], false, None),
        ("cut by a byte", good[..32].to_vec(), false, None),
        ("a byte more", [&good[..], &[0][..]].concat(), false, None),
        ("uncompressed", even.to_encoded_point(false).as_bytes().to_vec(), false, None),
    ]
    .into_iter()
    .map(|(what, b, taken, difference)| {
        let answer = decode(&b);
        assert_eq!(answer.is_ok(), taken, "key, {what}: {:?}", answer.err());
        let word = |ok: bool| if ok { "ok" } else { "error" }.to_string();
        let mut case = Case {
            name: format!("key, {what}"),
            kind: KEY.into(),
            scheme: "secp256r1".into(),
            encoded: hex(&b),
            decode: word(taken && difference.is_none()),
            upstream_error: answer.err().unwrap_or_default(),
            ..Case::default()
        };
        if let Some(reason) = difference {
            case.upstream_decode = word(taken);
            case.difference = reason.into();
        }
        case
    })
    .collect()
}

fn scalar(b: &[u8]) -> Scalar {
    <Scalar as Reduce<U256>>::reduce_bytes(FieldBytes::from_slice(b))
}

/// Makes the key under which r ‖ s, with r as wanted and s as given, is a signature on a message:
/// its secret is (s·k − z) / r, where r is the x of k·G and z the message's hash.
fn made_for(
    rng: &mut ChaCha20Rng,
    s: &[u8; 32],
    message: &[u8],
    wanted: &dyn Fn(&[u8]) -> bool,
) -> (Vec<u8>, Vec<u8>) {
    loop {
        let mut k = [0; 32];
        rng.fill_bytes(&mut k);
        let k = scalar(&k);
        let point = (ProjectivePoint::GENERATOR * k).to_affine().to_encoded_point(true);
        let r = scalar(&point.as_bytes()[1..]);
        if !wanted(&r.to_repr()) {
            continue;
        }
        let z = scalar(&Sha256::digest(message));
        let secret = (scalar(s) * k - z) * r.invert().unwrap();
        let public = (ProjectivePoint::GENERATOR * secret).to_affine().to_encoded_point(true);
        return (public.as_bytes().to_vec(), [&r.to_repr()[..], s].concat());
    }
}

/// Acks with s at the ends of its range, and with leading zeros in r.
pub fn ends(rng: &mut ChaCha20Rng, namespace: &[u8]) -> Vec<Case> {
    let w = World::<Secp256r1>::new(rng, namespace, 4);
    let sequencer = Identity::random(rng);
    let chunk = w.chunk(&sequencer, 300, digest(rng));
    let message = union_unique(&union(namespace, b"_ACK"), &[chunk.encode().to_vec(), varint(1)].concat());
    let small = |v: u8| {
        let mut b = [0; 32];
        b[31] = v;
        b
    };
    let mut above = half();
    above[31] += 1;
    let any = |_: &[u8]| true;
    let zeros = |r: &[u8]| r[0] == 0;
    let high = |r: &[u8]| r[0] >= 0x80;
    let cases: [(&str, [u8; 32], &dyn Fn(&[u8]) -> bool, Expect); 8] = [
        ("s is 1", small(1), &any, Expect::Valid),
        ("s is 128", small(128), &any, Expect::Valid),
        ("s is the largest that is low", half(), &any, Expect::Valid),
        ("s is the smallest that is high", above, &any, Expect::Invalid),
        ("s is the order less 1", minus(&ORDER, &small(1)), &any, Expect::Invalid),
        ("r begins with a zero byte", half(), &zeros, Expect::Valid),
        ("r begins with a one bit", half(), &high, Expect::Valid),
        ("r begins with a zero byte, s is 1", small(1), &zeros, Expect::Valid),
    ];
    let mut all = Vec::new();
    for (what, s, wanted, expect) in cases {
        let (public, signature) = made_for(rng, &s, &message, wanted);
        let mut keys = w.validators.described.clone();
        keys[2].public = hex(&public);
        let mut r = Recorder::<Secp256r1>::of(namespace, keys, "");
        let ack = w.split(Kind::Ack, &w.ack(2, &chunk, 1));
        r.add(format!("ack, {what}"), &ack.with("signature", signature), expect);
        all.append(&mut r.cases);
    }
    all
}
