//! The schemes of upstream, each with functions that make its validator sets and read them back.

use crate::{
    ecdsa, points,
    vector::{integer, Fields, Validator},
};
use commonware_codec::{DecodeExt, Encode, FixedSize};
use commonware_consensus::ordered_broadcast::scheme::{
    bls12381_multisig, bls12381_threshold, ed25519 as ed25519_scheme, secp256r1 as secp256r1_scheme,
    Scheme as BroadcastScheme,
};
use commonware_cryptography::{
    bls12381::{
        dkg::deal,
        primitives::{
            group::{Private, Scalar},
            ops,
            sharing::{Mode, ModeVersion, Sharing},
            variant::{MinPk, MinSig, Variant},
        },
    },
    certificate::{self, Attestation, Scheme as _, Signers},
    ed25519::{PrivateKey, PublicKey},
    secp256r1::standard as secp256r1,
    sha256::Digest,
    Signer as _,
};
use commonware_math::algebra::{Additive, Field, Random, Ring, Space};
use commonware_parallel::Sequential;
use commonware_utils::{
    from_hex, hex,
    ordered::{BiMap, Set},
    Faults, N3f1, Participant,
};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde_json::Value;
use std::{marker::PhantomData, num::NonZeroU32};

/// The layout of a certificate.
#[derive(Clone, Copy, PartialEq)]
pub enum Layout {
    Aggregate,
    Single,
    List,
}

/// One scheme in one variant.
pub trait Suite {
    type Scheme: BroadcastScheme<PublicKey, Digest>;
    const SCHEME: &'static str;
    const VARIANT: &'static str;
    const LAYOUT: Layout;
    const SIGNATURE: usize;
    /// Whether validators sign with their identity keys.
    const IDENTITY_KEYS: bool = false;

    /// Makes the validators of a set, in ascending order of identity.
    fn deal(rng: &mut ChaCha20Rng, namespace: &[u8], identities: Vec<Identity>) -> Validators<Self>
    where
        Self: Sized;

    /// Reads a set that a vector describes.
    fn read(namespace: &[u8], validators: &[Validator], group: &str) -> Result<Self::Scheme, String>;

    /// Combines signatures as in a certificate of exactly these signers, however few.
    fn combine(signatures: &[(u32, Vec<u8>)]) -> Vec<u8>;

    /// Faulty signatures, made from a good one, with names.
    fn spoil(rng: &mut ChaCha20Rng, good: &[u8]) -> Vec<(&'static str, Vec<u8>)>;

    /// The fields of a certificate, for a vector.
    fn describe(certificate: &<Self::Scheme as certificate::Scheme>::Certificate) -> Fields;
}

/// An Ed25519 key with the seed that it came from.
#[derive(Clone)]
pub struct Identity {
    pub seed: [u8; 32],
    pub key: PrivateKey,
}

impl Identity {
    pub fn random(rng: &mut ChaCha20Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let key = PrivateKey::decode(&seed[..]).expect("any 32 bytes are a key");
        Self { seed, key }
    }

    pub fn public(&self) -> PublicKey {
        self.key.public_key()
    }

    /// n identities, in ascending order of public key.
    pub fn several(rng: &mut ChaCha20Rng, n: usize) -> Vec<Self> {
        let mut all: Vec<_> = (0..n).map(|_| Self::random(rng)).collect();
        all.sort_by_key(|i| i.public());
        all
    }
}

/// A validator set with its secret keys.
pub struct Validators<S: Suite> {
    pub namespace: Vec<u8>,
    pub identities: Vec<Identity>,
    pub signers: Vec<S::Scheme>,
    pub verifier: S::Scheme,
    pub described: Vec<Validator>,
    pub group: String,
}

impl<S: Suite> Validators<S> {
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    pub fn quorum(&self) -> usize {
        N3f1::quorum(self.len() as u32) as usize
    }
}

fn public_hex(v: &impl Encode) -> String {
    hex(&v.encode())
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    from_hex(hex).ok_or_else(|| format!("not hexadecimal: {hex}"))
}

fn identity(v: &Validator) -> Result<PublicKey, String> {
    PublicKey::decode(&bytes(&v.identity)?[..]).map_err(|e| format!("identity {}: {e}", v.identity))
}

/// Reads a key with upstream's code, which refuses the identity and points outside the subgroup.
fn key<V: Variant>(text: &str) -> Result<V::Public, String> {
    V::Public::decode(&bytes(text)?[..]).map_err(|e| format!("key {text}: {e}"))
}

fn with_signers(signers: &Signers, signature: &[u8]) -> Fields {
    let mut f = Fields::new();
    f.insert("bitmap_length".into(), integer(signers.len() as u64));
    let numbers: Vec<Value> = signers.iter().map(|p| Value::from(p.get())).collect();
    f.insert("signers".into(), Value::from(numbers));
    f.insert("certificate_signature".into(), Value::from(hex(signature)));
    f
}

pub struct Multisig<V>(PhantomData<V>);
pub struct Threshold<V>(PhantomData<V>);
pub struct Ed25519;
pub struct Secp256r1;

pub trait Named: Variant {
    const NAME: &'static str;
}
impl Named for MinSig {
    const NAME: &'static str = "minsig";
}
impl Named for MinPk {
    const NAME: &'static str = "minpk";
}

impl<V: Named> Suite for Multisig<V> {
    type Scheme = bls12381_multisig::Scheme<PublicKey, V>;
    const SCHEME: &'static str = "bls12381-multisig";
    const VARIANT: &'static str = V::NAME;
    const LAYOUT: Layout = Layout::Aggregate;
    const SIGNATURE: usize = V::Signature::SIZE;

    fn deal(rng: &mut ChaCha20Rng, namespace: &[u8], identities: Vec<Identity>) -> Validators<Self> {
        let keys: Vec<_> = identities.iter().map(|_| Private::random(&mut *rng)).collect();
        let publics: Vec<V::Public> = keys.iter().map(ops::compute_public::<V>).collect();
        let pairs: Vec<_> = identities.iter().map(Identity::public).zip(publics.clone()).collect();
        let set: BiMap<_, _> = pairs.try_into().expect("keys are different");
        // Proofs of possession are written only for small sets, to keep the file short.
        let prove = |k: &Private| public_hex(&ops::sign_proof_of_possession::<V>(k, namespace));
        let proven = matches!(identities.len(), 1 | 7);
        let described = (0..identities.len())
            .map(|i| Validator {
                identity: public_hex(&identities[i].public()),
                public: public_hex(&publics[i]),
                proof: if proven { prove(&keys[i]) } else { String::new() },
            })
            .collect();
        let signers = keys
            .into_iter()
            .map(|k| Self::Scheme::signer(namespace, set.clone(), k).expect("a key of the set"))
            .collect();
        Validators {
            namespace: namespace.to_vec(),
            identities,
            signers,
            verifier: Self::Scheme::verifier(namespace, set),
            described,
            group: String::new(),
        }
    }

    fn read(namespace: &[u8], validators: &[Validator], _: &str) -> Result<Self::Scheme, String> {
        let mut pairs = Vec::new();
        for v in validators {
            let public = key::<V>(&v.public)?;
            if !v.proof.is_empty() {
                let proof = V::Signature::decode(&bytes(&v.proof)?[..]);
                proof
                    .map_err(|e| e.to_string())
                    .and_then(|p| {
                        ops::verify_proof_of_possession::<V>(&public, namespace, &p)
                            .map_err(|e| e.to_string())
                    })
                    .map_err(|e| format!("proof of possession of {}: {e}", v.identity))?;
            }
            pairs.push((identity(v)?, public));
        }
        let set: BiMap<_, _> = pairs.try_into().map_err(|e| format!("set: {e:?}"))?;
        Ok(Self::Scheme::verifier(namespace, set))
    }

    fn combine(signatures: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut sum = V::Signature::zero();
        for (_, s) in signatures {
            sum += &V::Signature::decode(&s[..]).expect("a signature");
        }
        sum.encode().to_vec()
    }

    fn spoil(rng: &mut ChaCha20Rng, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        points::bad_bls(rng, good)
    }

    fn describe(c: &<Self::Scheme as certificate::Scheme>::Certificate) -> Fields {
        with_signers(&c.signers, &c.signature.encode())
    }
}

impl<V: Named> Suite for Threshold<V> {
    type Scheme = bls12381_threshold::Scheme<PublicKey, V>;
    const SCHEME: &'static str = "bls12381-threshold";
    const VARIANT: &'static str = V::NAME;
    const LAYOUT: Layout = Layout::Single;
    const SIGNATURE: usize = V::Signature::SIZE;

    fn deal(rng: &mut ChaCha20Rng, namespace: &[u8], identities: Vec<Identity>) -> Validators<Self> {
        let players: Vec<_> = identities.iter().map(Identity::public).collect();
        let set: Set<_> = players.clone().try_into().expect("identities are different");
        let (output, shares) = deal::<V, _, N3f1>(rng, Mode::NonZeroCounter, set.clone()).expect("a dealing");
        let sharing = output.public().clone();
        let described = players
            .iter()
            .zip(0..)
            .map(|(p, i)| Validator {
                identity: public_hex(p),
                public: public_hex(&sharing.partial_public(Participant::new(i)).expect("a share")),
                proof: String::new(),
            })
            .collect();
        let signers = players
            .iter()
            .map(|p| {
                let share = shares.get_value(p).expect("a share for each").clone();
                Self::Scheme::signer(namespace, set.clone(), sharing.clone(), share)
                    .expect("a share of the set")
            })
            .collect();
        let group = public_hex(sharing.public());
        Validators {
            namespace: namespace.to_vec(),
            identities,
            signers,
            verifier: Self::Scheme::verifier(namespace, set, sharing),
            described,
            group,
        }
    }

    fn read(namespace: &[u8], validators: &[Validator], group: &str) -> Result<Self::Scheme, String> {
        let n = validators.len() as u32;
        let mut values = vec![key::<V>(group)?];
        let mut identities = Vec::new();
        for v in validators {
            values.push(key::<V>(&v.public)?);
            identities.push(identity(v)?);
        }
        let coefficients = interpolate::<V>(&values[..N3f1::quorum(n) as usize]);
        // Upstream makes a sharing only in a key generation or from bytes: mode, total,
        // coefficients.
        let mut encoded = vec![0];
        encoded.extend(n.to_be_bytes());
        encoded.extend(coefficients.encode());
        let total = NonZeroU32::new(n).ok_or("no validators")?;
        let sharing =
            <Sharing<V> as commonware_codec::Decode>::decode_cfg(&encoded[..], &(total, ModeVersion::v0()))
                .map_err(|e| format!("sharing: {e}"))?;
        for (v, i) in values[1..].iter().zip(0..) {
            if sharing.partial_public(Participant::new(i)).ok().as_ref() != Some(v) {
                return Err(format!("share key {i} is not on the polynomial of the others"));
            }
        }
        let set = identities.try_into().map_err(|e| format!("set: {e:?}"))?;
        Ok(Self::Scheme::verifier(namespace, set, sharing))
    }

    fn combine(signatures: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let xs: Vec<Scalar> = signatures.iter().map(|s| Scalar::from(s.0 as u64 + 1)).collect();
        let mut sum = V::Signature::zero();
        for (i, (_, s)) in signatures.iter().enumerate() {
            let mut weight = Scalar::one();
            for (j, x) in xs.iter().enumerate() {
                if i != j {
                    weight *= &(x.clone() * &(x.clone() - &xs[i]).inv());
                }
            }
            sum += &(V::Signature::decode(&s[..]).expect("a signature") * &weight);
        }
        sum.encode().to_vec()
    }

    fn spoil(rng: &mut ChaCha20Rng, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        points::bad_bls(rng, good)
    }

    fn describe(c: &<Self::Scheme as certificate::Scheme>::Certificate) -> Fields {
        let mut f = Fields::new();
        f.insert("certificate_signature".into(), Value::from(hex(&c.signature.encode())));
        f
    }
}

/// Returns the coefficients of the polynomial with these values at 0, 1, 2, …
fn interpolate<V: Variant>(values: &[V::Public]) -> Vec<V::Public> {
    let n = values.len();
    // The product of all (x − j), lowest coefficient first.
    let mut product = vec![Scalar::one()];
    for j in 0..n {
        let j = Scalar::from(j as u64);
        let mut next = vec![Scalar::zero(); product.len() + 1];
        for (k, c) in product.iter().enumerate() {
            next[k + 1] += c;
            next[k] -= &(c.clone() * &j);
        }
        product = next;
    }
    // Lagrange's basis: each polynomial is the product without one factor, divided by its value at
    // that point.
    let mut basis = Vec::new();
    for i in 0..n {
        let x = Scalar::from(i as u64);
        let mut quotient = vec![Scalar::zero(); n];
        let mut carry = Scalar::zero();
        for k in (0..n).rev() {
            carry = product[k + 1].clone() + &(carry * &x);
            quotient[k] = carry.clone();
        }
        let mut at = Scalar::zero();
        for c in quotient.iter().rev() {
            at = at * &x + c;
        }
        let scale = at.inv();
        for c in &mut quotient {
            *c *= &scale;
        }
        basis.push(quotient);
    }
    (0..n)
        .map(|k| {
            let column: Vec<_> = basis.iter().map(|b| b[k].clone()).collect();
            <V::Public as Space<Scalar>>::msm(values, &column, &Sequential)
        })
        .collect()
}

impl Suite for Ed25519 {
    type Scheme = ed25519_scheme::Scheme;
    const SCHEME: &'static str = "ed25519";
    const VARIANT: &'static str = "";
    const LAYOUT: Layout = Layout::List;
    const SIGNATURE: usize = 64;
    const IDENTITY_KEYS: bool = true;

    fn deal(_: &mut ChaCha20Rng, namespace: &[u8], identities: Vec<Identity>) -> Validators<Self> {
        let players: Vec<_> = identities.iter().map(Identity::public).collect();
        let set: Set<_> = players.clone().try_into().expect("identities are different");
        let described = players
            .iter()
            .map(|p| Validator { identity: public_hex(p), public: public_hex(p), proof: String::new() })
            .collect();
        let signers = identities
            .iter()
            .map(|i| Self::Scheme::signer(namespace, set.clone(), i.key.clone()).expect("a validator"))
            .collect();
        Validators {
            namespace: namespace.to_vec(),
            identities,
            signers,
            verifier: Self::Scheme::verifier(namespace, set),
            described,
            group: String::new(),
        }
    }

    fn read(namespace: &[u8], validators: &[Validator], _: &str) -> Result<Self::Scheme, String> {
        let identities: Vec<_> = validators.iter().map(identity).collect::<Result<_, _>>()?;
        let set = identities.try_into().map_err(|e| format!("set: {e:?}"))?;
        Ok(Self::Scheme::verifier(namespace, set))
    }

    fn combine(signatures: &[(u32, Vec<u8>)]) -> Vec<u8> {
        signatures.iter().flat_map(|s| s.1.clone()).collect()
    }

    fn spoil(_: &mut ChaCha20Rng, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        points::bad_ed25519(good)
    }

    fn describe(c: &<Self::Scheme as certificate::Scheme>::Certificate) -> Fields {
        let all: Vec<u8> = c.signatures.iter().flat_map(|s| s.encode().to_vec()).collect();
        with_signers(&c.signers, &all)
    }
}

impl Suite for Secp256r1 {
    type Scheme = secp256r1_scheme::Scheme<PublicKey>;
    const SCHEME: &'static str = "secp256r1";
    const VARIANT: &'static str = "";
    const LAYOUT: Layout = Layout::List;
    const SIGNATURE: usize = 64;

    fn deal(rng: &mut ChaCha20Rng, namespace: &[u8], identities: Vec<Identity>) -> Validators<Self> {
        let keys: Vec<_> = identities.iter().map(|_| secp256r1::PrivateKey::random(&mut *rng)).collect();
        let pairs: Vec<_> =
            identities.iter().map(Identity::public).zip(keys.iter().map(|k| k.public_key())).collect();
        let set: BiMap<_, _> = pairs.try_into().expect("keys are different");
        let described = identities
            .iter()
            .zip(&keys)
            .map(|(i, k)| Validator {
                identity: public_hex(&i.public()),
                public: public_hex(&k.public_key()),
                proof: String::new(),
            })
            .collect();
        let signers = keys
            .into_iter()
            .map(|k| Self::Scheme::signer(namespace, set.clone(), k).expect("a key of the set"))
            .collect();
        Validators {
            namespace: namespace.to_vec(),
            identities,
            signers,
            verifier: Self::Scheme::verifier(namespace, set),
            described,
            group: String::new(),
        }
    }

    fn read(namespace: &[u8], validators: &[Validator], _: &str) -> Result<Self::Scheme, String> {
        let mut pairs = Vec::new();
        for v in validators {
            let public = secp256r1::PublicKey::decode(&bytes(&v.public)?[..])
                .map_err(|e| format!("key {}: {e}", v.public))?;
            pairs.push((identity(v)?, public));
        }
        let set: BiMap<_, _> = pairs.try_into().map_err(|e| format!("set: {e:?}"))?;
        Ok(Self::Scheme::verifier(namespace, set))
    }

    fn combine(signatures: &[(u32, Vec<u8>)]) -> Vec<u8> {
        signatures.iter().flat_map(|s| s.1.clone()).collect()
    }

    fn spoil(_: &mut ChaCha20Rng, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        ecdsa::bad(good)
    }

    fn describe(c: &<Self::Scheme as certificate::Scheme>::Certificate) -> Fields {
        let all: Vec<u8> = c.signatures.iter().flat_map(|s| s.encode().to_vec()).collect();
        with_signers(&c.signers, &all)
    }
}

/// Assembles a certificate of some validators' attestations, by upstream's code.
pub fn assemble<S: Suite>(
    v: &Validators<S>,
    attestations: Vec<Attestation<S::Scheme>>,
) -> <S::Scheme as certificate::Scheme>::Certificate {
    v.verifier.assemble::<_, N3f1>(attestations, &Sequential).expect("a quorum of good attestations")
}
