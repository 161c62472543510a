//! Upstream's answer to an encoding: from its own decoders and verifiers, called as its engine
//! calls them.

use crate::{
    suite::Suite,
    vector::{integer, Fields},
};
use commonware_codec::{Decode, DecodeExt, Encode, Error};
use commonware_consensus::{
    ordered_broadcast::types::{Ack, Activity, Chunk, ChunkVerifier, Lock, Node, Parent, Proposal},
    types::Epoch,
};
use commonware_cryptography::{
    certificate::{ConstantProvider, Scheme as _},
    ed25519::PublicKey,
    sha256::Digest,
};
use commonware_parallel::Sequential;
use commonware_utils::hex;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

/// The types of message, with the names that vectors use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Chunk,
    Parent,
    Node,
    Ack,
    Proposal,
    Lock,
    Activity,
}

pub const KINDS: [(Kind, &str); 7] = [
    (Kind::Chunk, "chunk"),
    (Kind::Parent, "parent"),
    (Kind::Node, "node"),
    (Kind::Ack, "ack"),
    (Kind::Proposal, "proposal"),
    (Kind::Lock, "lock"),
    (Kind::Activity, "activity"),
];

impl Kind {
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|k| k.0 == self).expect("each has a name").1
    }

    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|k| k.1 == name).map(|k| k.0)
    }
}

/// Upstream's answer to some bytes.
pub enum Answer {
    Refused(String),
    Decoded {
        fields: Fields,
        /// None where there is nothing to verify.
        verified: Option<bool>,
        /// The encoding of the decoded value.
        encoded: Vec<u8>,
    },
}

/// Upstream with one validator set for all epochs.
pub struct Oracle<S: Suite> {
    scheme: S::Scheme,
    provider: ConstantProvider<S::Scheme, Epoch>,
    chunks: ChunkVerifier,
}

impl<S: Suite> Oracle<S> {
    pub fn new(namespace: &[u8], scheme: S::Scheme) -> Self {
        Self {
            provider: ConstantProvider::new(scheme.clone()),
            scheme,
            chunks: ChunkVerifier::new(namespace),
        }
    }

    /// Whether upstream decodes the bytes.
    pub fn decodes(&self, kind: Kind, b: &[u8]) -> bool {
        let cfg = self.scheme.certificate_codec_config();
        match kind {
            Kind::Chunk => Chunk::<PublicKey, Digest>::decode(b).is_ok(),
            Kind::Proposal => Proposal::<PublicKey, Digest>::decode(b).is_ok(),
            Kind::Ack => Ack::<PublicKey, S::Scheme, Digest>::decode(b).is_ok(),
            Kind::Parent => Parent::<S::Scheme, Digest>::decode_cfg(b, &cfg).is_ok(),
            Kind::Lock => Lock::<PublicKey, S::Scheme, Digest>::decode_cfg(b, &cfg).is_ok(),
            Kind::Activity => Activity::<PublicKey, S::Scheme, Digest>::decode_cfg(b, &cfg).is_ok(),
            Kind::Node => self.node(b).is_ok(),
        }
    }

    /// The engine reads nodes in stages, and does not check for bytes after them.
    fn node(&self, mut b: &[u8]) -> Result<Node<PublicKey, S::Scheme, Digest>, Error> {
        let all = b;
        let node = Node::read_staged(&mut b, &self.provider);
        let cfg = self.scheme.certificate_codec_config();
        let strict = Node::<PublicKey, S::Scheme, Digest>::decode_cfg(all, &cfg);
        assert_eq!(
            strict.is_ok(),
            node.is_ok() && b.is_empty(),
            "upstream's two ways to read a node disagree on {}",
            hex(all)
        );
        node
    }

    pub fn ask(&self, kind: Kind, b: &[u8]) -> Answer {
        match self.try_ask(kind, b) {
            Ok(a) => a,
            Err(e) => Answer::Refused(explain(&e)),
        }
    }

    fn try_ask(&self, kind: Kind, b: &[u8]) -> Result<Answer, Error> {
        let cfg = self.scheme.certificate_codec_config();
        // Ed25519 batches are weighted at random; the verdict does not depend on it.
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let (fields, verified, encoded) = match kind {
            Kind::Chunk => {
                let v = Chunk::<PublicKey, Digest>::decode(b)?;
                (chunk_fields(&v), None, v.encode())
            }
            Kind::Proposal => {
                let v = Proposal::<PublicKey, Digest>::decode(b)?;
                (proposal_fields(&v), Some(v.verify(&self.chunks)), v.encode())
            }
            Kind::Ack => {
                let v = Ack::<PublicKey, S::Scheme, Digest>::decode(b)?;
                let mut f = chunk_fields(&v.chunk);
                f.insert("epoch".into(), integer(v.epoch.get()));
                f.insert("participant".into(), integer(v.attestation.signer.get() as u64));
                put(&mut f, "signature", &v.attestation.signature.encode());
                (f, Some(v.verify(&mut rng, &self.scheme, &Sequential)), v.encode())
            }
            Kind::Parent => {
                let v = Parent::<S::Scheme, Digest>::decode_cfg(b, &cfg)?;
                (self.parent_fields(&v), None, v.encode())
            }
            Kind::Lock => {
                let v = Lock::<PublicKey, S::Scheme, Digest>::decode_cfg(b, &cfg)?;
                let verified = v.verify(&mut rng, &self.scheme, &Sequential);
                (self.lock_fields(&v), Some(verified), v.encode())
            }
            Kind::Activity => {
                let v = Activity::<PublicKey, S::Scheme, Digest>::decode_cfg(b, &cfg)?;
                let (mut f, verified) = match &v {
                    Activity::Tip(p) => (proposal_fields(p), p.verify(&self.chunks)),
                    Activity::Lock(l) => (self.lock_fields(l), l.verify(&mut rng, &self.scheme, &Sequential)),
                };
                let tip = matches!(v, Activity::Tip(_));
                f.insert("tag".into(), Value::from(!tip as u8));
                f.insert("kind".into(), Value::from(if tip { "tip" } else { "lock" }));
                (f, Some(verified), v.encode())
            }
            Kind::Node => {
                let v = self.node(b)?;
                let verified = v.verify(&mut rng, &self.chunks, &self.provider, &Sequential).is_ok();
                let mut f = chunk_fields(&v.chunk);
                put(&mut f, "signature", &v.signature.encode());
                let parent = v.parent.as_ref().map(|p| self.parent_fields(p));
                f.insert("parent".into(), parent.map_or(Value::Null, Value::from));
                (f, Some(verified), v.encode())
            }
        };
        Ok(Answer::Decoded { fields, verified, encoded: encoded.to_vec() })
    }

    fn parent_fields(&self, v: &Parent<S::Scheme, Digest>) -> Fields {
        let mut f = S::describe(&v.certificate);
        put(&mut f, "payload", &v.digest.encode());
        f.insert("epoch".into(), integer(v.epoch.get()));
        f
    }

    fn lock_fields(&self, v: &Lock<PublicKey, S::Scheme, Digest>) -> Fields {
        let mut f = S::describe(&v.certificate);
        f.extend(chunk_fields(&v.chunk));
        f.insert("epoch".into(), integer(v.epoch.get()));
        f
    }
}

fn put(f: &mut Fields, name: &str, b: &[u8]) {
    f.insert(name.into(), Value::from(hex(b)));
}

fn chunk_fields(v: &Chunk<PublicKey, Digest>) -> Fields {
    let mut f = Fields::new();
    put(&mut f, "sequencer", &v.sequencer.encode());
    f.insert("height".into(), integer(v.height.get()));
    put(&mut f, "payload", &v.payload.encode());
    f
}

fn proposal_fields(v: &Proposal<PublicKey, Digest>) -> Fields {
    let mut f = chunk_fields(&v.chunk);
    put(&mut f, "signature", &v.signature.encode());
    f
}

/// An error with its causes.
fn explain(e: &dyn std::error::Error) -> String {
    match e.source() {
        Some(cause) if !e.to_string().contains(&cause.to_string()) => {
            format!("{e}: {}", explain(cause))
        }
        _ => e.to_string(),
    }
}
