//! Messages that upstream makes and accepts.

use crate::{
    message::{boundaries, Message},
    oracle::Kind,
    record::{Expect, Recorder},
    suite::{assemble, Identity, Suite, Validators},
};
use commonware_codec::Encode;
use commonware_consensus::{
    ordered_broadcast::types::{Ack, Activity, Chunk, ChunkSigner, Lock, Node, Parent, Proposal},
    types::{Epoch, Height},
};
use commonware_cryptography::{certificate::Scheme, ed25519::PublicKey, sha256::Digest};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

/// The number of cases to write.
#[derive(Clone, Copy, PartialEq)]
pub enum Extent {
    /// All cases of a seed.
    Whole,
    /// The cases kept with the sources: every kind of case at least once, with small sets where
    /// they suffice.
    Committed,
}

pub type Certificate<S> = <<S as Suite>::Scheme as Scheme>::Certificate;

/// A set of validators with the sequencers that they serve.
pub struct World<S: Suite> {
    pub validators: Validators<S>,
    pub outsider: Identity,
}

pub fn digest(rng: &mut ChaCha20Rng) -> Digest {
    let mut d = [0; 32];
    rng.fill_bytes(&mut d);
    Digest(d)
}

/// count random numbers below n, ascending.
pub fn some(rng: &mut ChaCha20Rng, n: usize, count: usize) -> Vec<u32> {
    let mut all: Vec<u32> = (0..n as u32).collect();
    for i in 0..count {
        let j = i + rng.next_u64() as usize % (n - i);
        all.swap(i, j);
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

impl<S: Suite> World<S> {
    pub fn new(rng: &mut ChaCha20Rng, namespace: &[u8], n: usize) -> Self {
        let identities = Identity::several(rng, n);
        Self { validators: S::deal(rng, namespace, identities), outsider: Identity::random(rng) }
    }

    /// A sequencer: one of the validators, or another identity.
    pub fn sequencer(&self, rng: &mut ChaCha20Rng, external: bool) -> &Identity {
        match external {
            true => &self.outsider,
            false => &self.validators.identities[rng.next_u64() as usize % self.validators.len()],
        }
    }

    pub fn signer(&self, i: &Identity) -> ChunkSigner<commonware_cryptography::ed25519::PrivateKey> {
        ChunkSigner::new(&self.validators.namespace, i.key.clone())
    }

    pub fn chunk(&self, sequencer: &Identity, height: u64, payload: Digest) -> Chunk<PublicKey, Digest> {
        Chunk::new(sequencer.public(), Height::new(height), payload)
    }

    pub fn ack(
        &self,
        who: u32,
        chunk: &Chunk<PublicKey, Digest>,
        epoch: u64,
    ) -> Ack<PublicKey, S::Scheme, Digest> {
        Ack::sign(&self.validators.signers[who as usize], chunk.clone(), Epoch::new(epoch))
            .expect("a validator signs")
    }

    /// The signatures of some validators, as bytes.
    pub fn signatures(
        &self,
        who: &[u32],
        chunk: &Chunk<PublicKey, Digest>,
        epoch: u64,
    ) -> Vec<(u32, Vec<u8>)> {
        who.iter().map(|&i| (i, self.ack(i, chunk, epoch).attestation.signature.encode().to_vec())).collect()
    }

    pub fn certificate(&self, who: &[u32], chunk: &Chunk<PublicKey, Digest>, epoch: u64) -> Certificate<S> {
        let all = who.iter().map(|&i| self.ack(i, chunk, epoch).attestation).collect();
        assemble(&self.validators, all)
    }

    pub fn parent(
        &self,
        below: &Chunk<PublicKey, Digest>,
        epoch: u64,
        certificate: Certificate<S>,
    ) -> Parent<S::Scheme, Digest> {
        Parent::new(below.payload, Epoch::new(epoch), certificate)
    }

    /// A node of this height whose parent these validators certified.
    pub fn node(
        &self,
        rng: &mut ChaCha20Rng,
        sequencer: &Identity,
        height: u64,
        epoch: u64,
        who: &[u32],
    ) -> Message {
        let parent = height.checked_sub(1).map(|h| {
            let below = self.chunk(sequencer, h, digest(rng));
            self.parent(&below, epoch, self.certificate(who, &below, epoch))
        });
        let node: Node<PublicKey, S::Scheme, Digest> =
            Node::sign(&mut self.signer(sequencer), Height::new(height), digest(rng), parent);
        Message::split::<S>(Kind::Node, &node.encode())
    }

    pub fn lock(&self, chunk: &Chunk<PublicKey, Digest>, epoch: u64, certificate: Certificate<S>) -> Message {
        let lock = Lock::<PublicKey, S::Scheme, Digest>::new(chunk.clone(), Epoch::new(epoch), certificate);
        Message::split::<S>(Kind::Lock, &lock.encode())
    }

    pub fn proposal(
        &self,
        sequencer: &Identity,
        chunk: &Chunk<PublicKey, Digest>,
    ) -> Proposal<PublicKey, Digest> {
        let signature = self.signer(sequencer).sign(chunk);
        Proposal::new(chunk.clone(), signature)
    }

    pub fn split<E: Encode>(&self, kind: Kind, v: &E) -> Message {
        Message::split::<S>(kind, &v.encode())
    }
}

/// How many signers more than a quorum, in words.
fn size(who: usize, quorum: usize, n: usize) -> &'static str {
    match who {
        w if w == quorum => "exact quorum",
        w if w == n => "all validators",
        _ => "more than a quorum",
    }
}

/// Messages of the wanted types over one set, heights and epochs at the given steps of the
/// boundaries.
pub fn accepted<S: Suite>(
    rng: &mut ChaCha20Rng,
    w: &World<S>,
    steps: &[usize],
    wanted: &dyn Fn(Kind, usize) -> bool,
    r: &mut Recorder<S>,
) {
    let b = boundaries(64);
    let (n, quorum) = (w.validators.len(), w.validators.quorum());
    for (k, &step) in steps.iter().enumerate() {
        let (height, epoch) = (b[step % b.len()], b[(step * 7 + 3) % b.len()]);
        let external = k % 2 == 0;
        let who = match k % 3 {
            0 => some(rng, n, quorum),
            1 => {
                let count = quorum + rng.next_u64() as usize % (n - quorum + 1);
                some(rng, n, count)
            }
            _ => some(rng, n, n),
        };
        let sequencer = w.sequencer(rng, external);
        let chunk = w.chunk(sequencer, height, digest(rng));
        let certificate = w.certificate(&who, &chunk, epoch);
        let about = format!(
            "n={n}, height {height}, epoch {epoch}, {}, {}",
            size(who.len(), quorum, n),
            if external { "external sequencer" } else { "a validator as sequencer" }
        );
        let mut add = |kind: Kind, m: Message| {
            if wanted(kind, k) {
                r.add(format!("{}, {about}", kind.name()), &m, Expect::Valid);
            }
        };

        if k == 0 {
            add(Kind::Chunk, w.split(Kind::Chunk, &chunk));
            add(Kind::Proposal, w.split(Kind::Proposal, &w.proposal(sequencer, &chunk)));
            let tip = Activity::<PublicKey, S::Scheme, Digest>::Tip(w.proposal(sequencer, &chunk));
            add(Kind::Activity, w.split(Kind::Activity, &tip));
        }
        // The last of a set above 128 has a number of two bytes.
        let signer = if n > 128 { n as u32 - 1 } else { rng.next_u64() as u32 % n as u32 };
        add(Kind::Ack, w.split(Kind::Ack, &w.ack(signer, &chunk, epoch)));
        add(Kind::Parent, w.split(Kind::Parent, &w.parent(&chunk, epoch, certificate.clone())));
        add(Kind::Node, w.node(rng, sequencer, height, epoch, &who));
        add(Kind::Lock, w.lock(&chunk, epoch, certificate.clone()));
        let lock = Lock::new(chunk, Epoch::new(epoch), certificate);
        let activity = Activity::<PublicKey, S::Scheme, Digest>::Lock(lock);
        add(Kind::Activity, w.split(Kind::Activity, &activity));
    }
}

/// Chunks, proposals and tips at every height where the length of the encoding changes. They need
/// no validator set.
pub fn chunks<S: Suite>(rng: &mut ChaCha20Rng, w: &World<S>, r: &mut Recorder<S>) {
    for height in boundaries(64) {
        let sequencer = Identity::random(rng);
        let chunk = w.chunk(&sequencer, height, digest(rng));
        let proposal = w.proposal(&sequencer, &chunk);
        let mut add =
            |kind: Kind, m: Message| r.add(format!("{} at height {height}", kind.name()), &m, Expect::Valid);
        add(Kind::Chunk, w.split(Kind::Chunk, &chunk));
        add(Kind::Proposal, w.split(Kind::Proposal, &proposal));
        let tip = Activity::<PublicKey, S::Scheme, Digest>::Tip(proposal);
        add(Kind::Activity, w.split(Kind::Activity, &tip));
    }
}
