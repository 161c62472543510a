package verify_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var namespace = []byte("lanecast-test")

// schemeCase is a scheme with the settings of a network.
type schemeCase struct {
	kind    testkit.Kind
	variant verify.Variant
	acks    verify.AckEncoding
}

func (k schemeCase) String() string {
	if !k.bls() {
		return string(k.kind)
	}
	return fmt.Sprintf("%s-%v-%v", k.kind, k.variant, k.acks)
}

// bls reports whether the scheme adds up signatures.
func (k schemeCase) bls() bool { return k.kind == testkit.Multisig || k.kind == testkit.Threshold }

// listCases are the schemes whose certificates list signatures.
var listCases = []schemeCase{{kind: testkit.Ed25519}, {kind: testkit.Secp256r1}}

var blsCases = []schemeCase{
	{testkit.Multisig, verify.MinSig, verify.Compressed},
	{testkit.Multisig, verify.MinSig, verify.Uncompressed},
	{testkit.Multisig, verify.MinPk, verify.Compressed},
	{testkit.Multisig, verify.MinPk, verify.Uncompressed},
	{testkit.Threshold, verify.MinSig, verify.Compressed},
	{testkit.Threshold, verify.MinSig, verify.Uncompressed},
	{testkit.Threshold, verify.MinPk, verify.Compressed},
	{testkit.Threshold, verify.MinPk, verify.Uncompressed},
}

var schemeCases = slices.Concat(blsCases, listCases)

func eachScheme(t *testing.T, cases []schemeCase, run func(t *testing.T, k schemeCase)) {
	for _, k := range cases {
		t.Run(k.String(), func(t *testing.T) { run(t, k) })
	}
}

func newSet(t testing.TB, k schemeCase, n int, seed uint64) *testkit.Set {
	t.Helper()
	set, err := testkit.New(k.kind, k.variant, k.acks, n, namespace, seed)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func subject(height uint64) wire.Subject {
	s := wire.Subject{Chunk: wire.Chunk{Height: height}, Epoch: 300}
	s.Chunk.Sequencer[0], s.Chunk.Payload[31] = 1, byte(height)
	return s
}

func sign(t testing.TB, set *testkit.Set, i int, s wire.Subject) []byte {
	t.Helper()
	vote, err := set.Signers[i].SignAck(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return vote
}

// statement returns a statement of votes by the listed participants on s.
func statement(t testing.TB, set *testkit.Set, s wire.Subject, who ...int) *verify.Statement {
	t.Helper()
	f := set.Scheme.Format()
	st := &verify.Statement{Scheme: set.Scheme, Subject: s, Signers: wire.NewSigners(f.Participants)}
	st.Slab = make([]byte, f.Participants*f.AckSignature)
	for _, i := range who {
		place(st, i, sign(t, set, i, s))
	}
	return st
}

// place makes vote i's.
func place(s *verify.Statement, i int, vote []byte) {
	s.Signers.Add(wire.Participant(i))
	copy(s.Vote(wire.Participant(i)), vote)
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// certify combines the votes of a statement and fails the test unless the combination verifies.
func certify(t testing.TB, s *verify.Statement) []byte {
	t.Helper()
	c, unreadable := s.Scheme.Combine(s, s.Signers)
	if c == nil || len(unreadable) > 0 {
		t.Fatalf("combination %v, unreadable %v", c, unreadable)
	}
	if !s.Scheme.Check([]verify.Combination{c}) {
		t.Fatal("the combination does not verify")
	}
	return c.AppendCertificate(nil)
}

// open reads a certificate and fails the test if it cannot.
func open(t testing.TB, scheme verify.Scheme, s wire.Subject, certificate []byte) verify.Combination {
	t.Helper()
	c, err := scheme.Open(&verify.Statement{Scheme: scheme, Subject: s, Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
