package verify

import (
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// VerifyCertificate verifies one certificate by itself, from its encoding. The error wraps
// [ErrCertificate] and names the fault.
func VerifyCertificate(s Scheme, subject wire.Subject, certificate []byte) error {
	c, err := s.Open(&Statement{Scheme: s, Subject: subject, Certificate: certificate})
	if err != nil {
		return err
	}
	if !s.Check([]Combination{c}) {
		return fmt.Errorf("verify: %w: its signature does not verify", ErrCertificate)
	}
	return nil
}

// VerifyAck verifies one ack by itself, with a subgroup check. s must be the scheme of a's epoch.
// The error wraps [ErrVote] and names the fault.
func VerifyAck(s Scheme, a *wire.Ack) error {
	f := s.Format()
	if uint64(a.Participant) >= uint64(f.Participants) {
		return fmt.Errorf("verify: %w: participant %d of %d", ErrVote, a.Participant, f.Participants)
	}
	if err := a.CheckSize(f); err != nil {
		return fmt.Errorf("verify: %w: %w", ErrVote, err)
	}
	signers := wire.NewSigners(f.Participants)
	signers.Add(a.Participant)
	slab := make([]byte, f.Participants*f.AckSignature)
	copy(slab[int(a.Participant)*f.AckSignature:], a.Signature)
	if len(s.InvalidVotes(&Statement{Scheme: s, Subject: a.Subject(), Signers: signers, Slab: slab}, signers)) > 0 {
		return fmt.Errorf("verify: %w: participant %d", ErrVote, a.Participant)
	}
	return nil
}
