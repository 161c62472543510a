//! The schemes of upstream, each with functions that deal a set from a seed.

use commonware_codec::{DecodeExt, Encode};
use commonware_consensus::ordered_broadcast::scheme::{
    bls12381_multisig, bls12381_threshold, ed25519 as ed25519_scheme, secp256r1 as secp256r1_scheme,
    Scheme as BroadcastScheme,
};
use commonware_cryptography::{
    bls12381::{
        dkg::deal,
        primitives::{
            group::Private,
            ops,
            sharing::Mode,
            variant::{MinPk, MinSig, Variant},
        },
    },
    ed25519::{PrivateKey, PublicKey},
    secp256r1::standard as secp256r1,
    sha256::Digest,
    Signer as _,
};
use commonware_math::algebra::Random;
use commonware_utils::{
    hex,
    ordered::{BiMap, Set},
    N3f1,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde::Serialize;
use std::marker::PhantomData;

pub const NAMESPACE: &[u8] = b"interop";

/// A dealt set with all of its secrets, for the other side to read. Bytes are in hexadecimal.
#[derive(Serialize)]
pub struct KeyFile {
    pub namespace: String,
    pub scheme: &'static str,
    pub group: String,
    pub validators: Vec<KeyEntry>,
}

#[derive(Serialize)]
pub struct KeyEntry {
    /// The seed of the Ed25519 identity.
    pub seed: String,
    pub identity: String,
    /// The signing key, none for Ed25519.
    pub secret: String,
    pub public: String,
    pub proof: String,
}

/// An Ed25519 key with the seed that it came from.
pub struct Identity {
    pub seed: [u8; 32],
    pub key: PrivateKey,
}

impl Identity {
    pub fn public(&self) -> PublicKey {
        self.key.public_key()
    }

    fn entry(&self, secret: String, public: String, proof: String) -> KeyEntry {
        KeyEntry { seed: hex(&self.seed), identity: encoded(&self.public()), secret, public, proof }
    }
}

/// A dealt set: validators in ascending order of identity, all of them sequencers too.
pub struct World<S: Suite> {
    pub identities: Vec<Identity>,
    pub signers: Vec<S::Scheme>,
    pub verifier: S::Scheme,
    pub file: KeyFile,
}

impl<S: Suite> World<S> {
    /// The same seed and number make the same set.
    pub fn new(seed: u64, n: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut identities: Vec<_> = (0..n)
            .map(|_| {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                Identity { seed, key: PrivateKey::decode(&seed[..]).expect("any 32 bytes are a key") }
            })
            .collect();
        identities.sort_by_key(Identity::public);
        let Dealt { signers, verifier, group, validators } = S::deal(&mut rng, &identities);
        let file = KeyFile { namespace: hex(NAMESPACE), scheme: S::NAME, group, validators };
        Self { identities, signers, verifier, file }
    }

    pub fn publics(&self) -> Vec<PublicKey> {
        self.identities.iter().map(Identity::public).collect()
    }
}

pub struct Dealt<T> {
    signers: Vec<T>,
    verifier: T,
    group: String,
    validators: Vec<KeyEntry>,
}

/// One scheme in one variant.
pub trait Suite: Send + Sync + 'static {
    type Scheme: BroadcastScheme<PublicKey, Digest>;
    const NAME: &'static str;

    fn deal(rng: &mut ChaCha20Rng, identities: &[Identity]) -> Dealt<Self::Scheme>;
}

pub struct Multisig<V>(PhantomData<V>);
pub struct Threshold<V>(PhantomData<V>);
pub struct Ed25519;
pub struct Secp256r1;

pub trait Named: Variant + Send + Sync + 'static {
    const MULTISIG: &'static str;
    const THRESHOLD: &'static str;
}
impl Named for MinSig {
    const MULTISIG: &'static str = "multisig-minsig";
    const THRESHOLD: &'static str = "threshold-minsig";
}
impl Named for MinPk {
    const MULTISIG: &'static str = "multisig-minpk";
    const THRESHOLD: &'static str = "threshold-minpk";
}

fn encoded(v: &impl Encode) -> String {
    hex(&v.encode())
}

/// The identities, each with its signing key.
fn pairs<K: Clone + Eq + std::hash::Hash>(identities: &[Identity], keys: &[K]) -> BiMap<PublicKey, K> {
    let pairs: Vec<_> = identities.iter().map(Identity::public).zip(keys.iter().cloned()).collect();
    pairs.try_into().ok().expect("keys are different")
}

impl<V: Named> Suite for Multisig<V> {
    type Scheme = bls12381_multisig::Scheme<PublicKey, V>;
    const NAME: &'static str = V::MULTISIG;

    fn deal(rng: &mut ChaCha20Rng, identities: &[Identity]) -> Dealt<Self::Scheme> {
        let keys: Vec<_> = identities.iter().map(|_| Private::random(&mut *rng)).collect();
        let publics: Vec<V::Public> = keys.iter().map(ops::compute_public::<V>).collect();
        let set = pairs(identities, &publics);
        let entry = |(i, k): (&Identity, &Private)| {
            let proof = ops::sign_proof_of_possession::<V>(k, NAMESPACE);
            i.entry(encoded(k), encoded(&ops::compute_public::<V>(k)), encoded(&proof))
        };
        let validators = identities.iter().zip(&keys).map(entry).collect();
        let signer = |k| Self::Scheme::signer(NAMESPACE, set.clone(), k).expect("a key of the set");
        Dealt {
            signers: keys.into_iter().map(signer).collect(),
            verifier: Self::Scheme::verifier(NAMESPACE, set.clone()),
            group: String::new(),
            validators,
        }
    }
}

impl<V: Named> Suite for Threshold<V> {
    type Scheme = bls12381_threshold::Scheme<PublicKey, V>;
    const NAME: &'static str = V::THRESHOLD;

    fn deal(rng: &mut ChaCha20Rng, identities: &[Identity]) -> Dealt<Self::Scheme> {
        let players: Vec<_> = identities.iter().map(Identity::public).collect();
        let set: Set<_> = players.clone().try_into().expect("identities are different");
        let (output, shares) = deal::<V, _, N3f1>(rng, Mode::NonZeroCounter, set.clone()).expect("a dealing");
        let sharing = output.public().clone();
        let (mut signers, mut validators) = (Vec::new(), Vec::new());
        for (i, p) in identities.iter().zip(&players) {
            let share = shares.get_value(p).expect("a share for each").clone();
            let public = sharing.partial_public(share.index).expect("a share");
            validators.push(i.entry(encoded(&share.private), encoded(&public), String::new()));
            let signer = Self::Scheme::signer(NAMESPACE, set.clone(), sharing.clone(), share);
            signers.push(signer.expect("a share of the set"));
        }
        let group = encoded(sharing.public());
        Dealt { signers, verifier: Self::Scheme::verifier(NAMESPACE, set, sharing), group, validators }
    }
}

impl Suite for Ed25519 {
    type Scheme = ed25519_scheme::Scheme;
    const NAME: &'static str = "ed25519";

    fn deal(_: &mut ChaCha20Rng, identities: &[Identity]) -> Dealt<Self::Scheme> {
        let players: Vec<_> = identities.iter().map(Identity::public).collect();
        let set: Set<_> = players.try_into().expect("identities are different");
        let signer =
            |i: &Identity| Self::Scheme::signer(NAMESPACE, set.clone(), i.key.clone()).expect("a validator");
        let entry = |i: &Identity| i.entry(String::new(), encoded(&i.public()), String::new());
        Dealt {
            signers: identities.iter().map(signer).collect(),
            verifier: Self::Scheme::verifier(NAMESPACE, set.clone()),
            group: String::new(),
            validators: identities.iter().map(entry).collect(),
        }
    }
}

impl Suite for Secp256r1 {
    type Scheme = secp256r1_scheme::Scheme<PublicKey>;
    const NAME: &'static str = "secp256r1";

    fn deal(rng: &mut ChaCha20Rng, identities: &[Identity]) -> Dealt<Self::Scheme> {
        let keys: Vec<_> = identities.iter().map(|_| secp256r1::PrivateKey::random(&mut *rng)).collect();
        let publics: Vec<_> = keys.iter().map(|k| k.public_key()).collect();
        let set = pairs(identities, &publics);
        let entry = |(i, k): (&Identity, &secp256r1::PrivateKey)| {
            i.entry(encoded(k), encoded(&k.public_key()), String::new())
        };
        let validators = identities.iter().zip(&keys).map(entry).collect();
        let signer = |k| Self::Scheme::signer(NAMESPACE, set.clone(), k).expect("a key of the set");
        Dealt {
            signers: keys.into_iter().map(signer).collect(),
            verifier: Self::Scheme::verifier(NAMESPACE, set.clone()),
            group: String::new(),
            validators,
        }
    }
}
