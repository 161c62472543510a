package verify

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// signatureList is the common part of the schemes whose certificates are a bitmap of signers and a
// list of their signatures. K is the type of a public key that is prepared for verification. All
// signatures have 64 bytes.
type signatureList[K any] struct {
	validatorSet
	format wire.Format
	prefix []byte
	keys   []K // by participant
	// readable reports whether a vote's bytes may be a signature; nil accepts all bytes.
	readable func(signature []byte) bool
}

// InNamespace reports whether the set's acks are signed under namespace.
func (e *signatureList[K]) InNamespace(namespace []byte) bool { return signedIn(e.prefix, namespace) }

func newSignatureList[K any](namespace []byte, set validatorSet, keys []K) signatureList[K] {
	return signatureList[K]{
		validatorSet: set,
		format: wire.Format{
			Kind: wire.SignersAndList, Participants: set.len(),
			Signature: wire.SignatureSize, AckSignature: wire.SignatureSize,
		},
		prefix: prefix(namespace, ackSuffix),
		keys:   keys,
	}
}

// Format implements [Scheme].
func (e *signatureList[K]) Format() wire.Format { return e.format }

// Attributable implements [Scheme]: true.
func (e *signatureList[K]) Attributable() bool { return true }

// listCombination holds the signatures of a certificate, in memory of its own.
type listCombination[K any] struct {
	scheme     *signatureList[K]
	message    []byte
	signers    wire.Signers
	who        []int  // the signers, ascending
	signatures []byte // of who, in this order
}

// signature returns the signature of who[k].
func (c *listCombination[K]) signature(k int) []byte {
	return c.signatures[k*wire.SignatureSize : (k+1)*wire.SignatureSize]
}

// key returns the key of who[k].
func (c *listCombination[K]) key(k int) K { return c.scheme.keys[c.who[k]] }

// AppendCertificate implements [Combination].
func (c *listCombination[K]) AppendCertificate(dst []byte) []byte {
	next := -1
	return wire.AppendSignersAndList(dst, c.signers, func(wire.Participant) []byte {
		next++
		return c.signature(next)
	})
}

// collect copies the votes of signers. unreadable are the signers without a readable vote in the
// slab, ascending.
func (e *signatureList[K]) collect(s *Statement, signers wire.Signers) (c *listCombination[K], unreadable []wire.Participant) {
	present, unreadable := e.votes(s, signers, wire.SignatureSize)
	vote := func(i int) []byte { return s.Slab[i*wire.SignatureSize : (i+1)*wire.SignatureSize] }
	if e.readable != nil {
		legible := present[:0]
		for _, i := range present {
			if e.readable(vote(i)) {
				legible = append(legible, i)
			} else {
				unreadable = append(unreadable, wire.Participant(i))
			}
		}
		present = legible
		slices.Sort(unreadable)
	}
	c = &listCombination[K]{
		scheme: e, message: ackMessage(e.prefix, &s.Subject), signers: e.bitmap(present), who: present,
		signatures: make([]byte, 0, len(present)*wire.SignatureSize),
	}
	for _, i := range present {
		c.signatures = append(c.signatures, vote(i)...)
	}
	return c, unreadable
}

// Combine implements [Scheme]: the votes are only copied, since these signatures are not added up.
// The combination is nil for signers below the quorum.
func (e *signatureList[K]) Combine(s *Statement, signers wire.Signers) (Combination, []wire.Participant) {
	c, unreadable := e.collect(s, signers)
	if len(unreadable) > 0 || !e.isQuorum(c.who) {
		return nil, unreadable
	}
	return c, nil
}

// Open implements [Scheme].
func (e *signatureList[K]) Open(s *Statement) (Combination, error) {
	signers, signatures, err := e.format.SplitCertificate(s.Certificate)
	if err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrCertificate, err)
	}
	if err := e.checkBitmap(signers); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	c := &listCombination[K]{
		scheme: e, message: ackMessage(e.prefix, &s.Subject), signers: signers.Clone(),
		who: make([]int, 0, signers.Count()), signatures: slices.Clone(signatures),
	}
	for p := range signers.All() {
		if k := len(c.who); e.readable != nil && !e.readable(c.signature(k)) {
			return nil, fmt.Errorf("verify: %w: the signature of participant %d cannot be read", ErrCertificate, p)
		}
		c.who = append(c.who, int(p))
	}
	return c, nil
}
