package verify_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func options(v verify.Variant) verify.Config {
	return verify.Config{Namespace: namespace, Variant: v, AllowVariableTimeSigning: true}
}

// members returns n validators with proofs, in descending order of identity.
func members(t testing.TB, v verify.Variant, n int) ([]verify.Validator, []*verify.SecretKey) {
	t.Helper()
	var validators []verify.Validator
	var keys []*verify.SecretKey
	for i, id := range slices.Backward(testkit.Identities(n, 3)) {
		k := secret(t, v, byte(i+1))
		keys = append(keys, k)
		validators = append(validators, verify.Validator{Identity: testkit.Identity(id), Key: k.PublicKey(), Proof: k.ProofOfPossession(namespace)})
	}
	return validators, keys
}

func TestAMultisigSetSortsItsValidators(t *testing.T) {
	for _, v := range variants {
		validators, keys := members(t, v, 4)
		m, err := verify.NewMultisig(options(v), validators)
		if err != nil {
			t.Fatal(err)
		}
		if m.Variant() != v || !slices.IsSortedFunc(m.Participants(), wire.PublicKey.Compare) {
			t.Errorf("%v: participants %v", m.Variant(), m.Participants())
		}
		for i, k := range keys {
			signer, err := m.Signer(k)
			if err != nil {
				t.Fatal(err)
			}
			s := subject(1)
			vote, err := signer.SignAck(context.Background(), s)
			if err != nil {
				t.Fatal(err)
			}
			p, _ := m.Index(validators[i].Identity)
			if err := verify.VerifyAck(m, &wire.Ack{Chunk: s.Chunk, Epoch: s.Epoch, Participant: p, Signature: vote}); err != nil {
				t.Errorf("%v: key %d does not go with its identity: %v", v, i, err)
			}
		}
	}
}

func TestAMultisigSetRefusesABadValidatorAndNamesIt(t *testing.T) {
	for _, v := range variants {
		good, keys := members(t, v, 5)
		sigSize, keySize := len(good[0].Proof), len(good[0].Key)
		other := v ^ 1 // the other variant: its signatures are in the group of our keys
		outside := torsion(other).encode(false)
		rogue := identity(other) // it cancels the other keys; its holder does not know the secret
		for i := range good {
			if i != 2 {
				rogue = rogue.add(decodePoint(other, good[i].Key).neg())
			}
		}
		for what, test := range map[string]struct {
			change func(*verify.Validator)
			want   error
		}{
			"no proof":                   {func(x *verify.Validator) { x.Proof = nil }, verify.ErrKey},
			"another's proof":            {func(x *verify.Validator) { x.Proof = good[1].Proof }, verify.ErrKey},
			"proof for other namespace":  {func(x *verify.Validator) { x.Proof = keys[2].ProofOfPossession([]byte("other")) }, verify.ErrKey},
			"proof that is no point":     {func(x *verify.Validator) { x.Proof = bytes.Repeat([]byte{0xff}, sigSize) }, verify.ErrKey},
			"proof outside the subgroup": {func(x *verify.Validator) { x.Proof = torsion(v).encode(false) }, verify.ErrKey},
			"identity as proof":          {func(x *verify.Validator) { x.Proof = identity(v).encode(false) }, verify.ErrKey},
			"rogue key":                  {func(x *verify.Validator) { x.Key = rogue.encode(false) }, verify.ErrKey},
			"short key":                  {func(x *verify.Validator) { x.Key = x.Key[1:] }, verify.ErrKey},
			"key that is no point":       {func(x *verify.Validator) { x.Key = bytes.Repeat([]byte{0xff}, keySize) }, verify.ErrKey},
			"key outside the subgroup":   {func(x *verify.Validator) { x.Key = outside }, verify.ErrKey},
			"identity as key":            {func(x *verify.Validator) { x.Key = identity(other).encode(false) }, verify.ErrKey},
			"another's key":              {func(x *verify.Validator) { x.Key, x.Proof = good[4].Key, good[4].Proof }, verify.ErrValidatorSet},
			"another's identity":         {func(x *verify.Validator) { x.Identity = good[4].Identity }, verify.ErrValidatorSet},
		} {
			validators := slices.Clone(good)
			test.change(&validators[2])
			_, err := verify.NewMultisig(options(v), validators)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), validators[2].Identity.String()) {
				t.Errorf("%v, %s: %v", v, what, err)
			}
		}
	}
}

func TestProvenKeysNeedNoProof(t *testing.T) {
	validators, _ := members(t, verify.MinSig, 4)
	for i := range validators {
		validators[i].Proof = nil
	}
	if _, err := verify.NewMultisigFromProvenKeys(options(verify.MinSig), validators); err != nil {
		t.Error(err)
	}
	validators[0].Key = validators[1].Key
	if _, err := verify.NewMultisigFromProvenKeys(options(verify.MinSig), validators); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("duplicate key: %v", err)
	}
}

func TestASetHasBetweenOneAnd65535Validators(t *testing.T) {
	many := make([]wire.PublicKey, verify.MaxValidators+1)
	for _, ids := range [][]wire.PublicKey{nil, many} {
		validators := make([]verify.Validator, len(ids))
		for _, err := range []error{
			second(verify.NewMultisig(options(verify.MinSig), validators)),
			second(verify.NewThreshold(options(verify.MinSig), ids, nil, nil)),
			second(verify.NewEd25519(namespace, ids)),
			second(verify.NewSecp256r1(namespace, validators)),
		} {
			if !errors.Is(err, verify.ErrValidatorSet) || !strings.Contains(err.Error(), "1 to 65535") {
				t.Errorf("%d validators: %v", len(ids), err)
			}
		}
	}
}

func TestUnknownOptionsAreRefusedByName(t *testing.T) {
	for field, o := range map[string]verify.Config{"Variant": {Variant: 5}, "AckEncoding": {AckEncoding: 5}} {
		for _, err := range []error{
			second(verify.NewMultisig(o, nil)), second(verify.NewThreshold(o, nil, nil, nil)),
		} {
			if err == nil || !strings.Contains(err.Error(), field+" is 5") {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}

func ids(n int) []wire.PublicKey {
	var out []wire.PublicKey
	for _, k := range testkit.Identities(n, 3) {
		out = append(out, testkit.Identity(k))
	}
	return out
}

func TestThresholdKeysMustBeOfOnePolynomial(t *testing.T) {
	for _, v := range variants {
		for _, n := range []int{1, 2, 3, 4, 7, 10} {
			d, err := testkit.Deal(v, n, nil)
			if err != nil {
				t.Fatal(err)
			}
			other, err := testkit.Deal(v, n, nil)
			if err != nil {
				t.Fatal(err)
			}
			th, err := verify.NewThreshold(options(v), ids(n), d.GroupKey, d.ShareKeys)
			if err != nil {
				t.Fatalf("%v, n=%d: %v", v, n, err)
			}
			if !bytes.Equal(th.GroupKey(), d.GroupKey) {
				t.Errorf("%v, n=%d: group key %x", v, n, th.GroupKey())
			}
			if _, err := verify.NewThreshold(options(v), ids(n), other.GroupKey, d.ShareKeys); !errors.Is(err, verify.ErrInconsistentKeys) {
				t.Errorf("%v, n=%d, other group key: %v", v, n, err)
			}
			for i := range n {
				keys := slices.Clone(d.ShareKeys)
				keys[i] = other.ShareKeys[i]
				if _, err := verify.NewThreshold(options(v), ids(n), d.GroupKey, keys); !errors.Is(err, verify.ErrInconsistentKeys) {
					t.Errorf("%v, n=%d, other share %d: %v", v, n, i, err)
				}
			}
			if n > 1 {
				keys := slices.Clone(d.ShareKeys)
				keys[0], keys[1] = keys[1], keys[0]
				if _, err := verify.NewThreshold(options(v), ids(n), d.GroupKey, keys); !errors.Is(err, verify.ErrInconsistentKeys) {
					t.Errorf("%v, n=%d, swapped shares: %v", v, n, err)
				}
			}
		}
	}
}

// A polynomial of higher degree than quorum − 1 does not fit: that of 7 validators has degree 4,
// that of 10 degree 6.
func TestThresholdKeysOfHigherDegreeAreRefused(t *testing.T) {
	d, err := testkit.Deal(verify.MinSig, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.NewThreshold(options(verify.MinSig), ids(7), d.GroupKey, d.ShareKeys[:7]); !errors.Is(err, verify.ErrInconsistentKeys) {
		t.Error(err)
	}
}

func TestBadThresholdKeysAreRefused(t *testing.T) {
	d, err := testkit.Deal(verify.MinPk, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	outside, none := torsion(verify.MinSig).encode(false), identity(verify.MinSig).encode(false)
	try := func(what string, want error, group []byte, shares [][]byte) {
		t.Helper()
		if _, err := verify.NewThreshold(options(verify.MinPk), ids(4), group, shares); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	with := func(k []byte) [][]byte { return append([][]byte{k}, d.ShareKeys[1:]...) }
	try("a share less", verify.ErrValidatorSet, d.GroupKey, d.ShareKeys[:3])
	try("a share twice", verify.ErrValidatorSet, d.GroupKey, with(d.ShareKeys[1]))
	try("a share outside the subgroup", verify.ErrKey, d.GroupKey, with(outside))
	try("the identity as share", verify.ErrKey, d.GroupKey, with(none))
	try("a group key outside the subgroup", verify.ErrKey, outside, d.ShareKeys)
	try("the identity as group key", verify.ErrKey, none, d.ShareKeys)
	try("no group key", verify.ErrKey, nil, d.ShareKeys)
	if _, err := verify.NewThreshold(options(verify.MinPk), append(ids(3), ids(3)[0]), d.GroupKey, d.ShareKeys); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("an identity twice: %v", err)
	}
}

func TestAnEd25519SetTakesPointsOfTheCurveOnly(t *testing.T) {
	two := wire.PublicKey{2} // no point has y = 2
	if _, err := verify.NewEd25519(namespace, append(ids(3), two)); !errors.Is(err, verify.ErrKey) || !strings.Contains(err.Error(), two.String()) {
		t.Errorf("no point: %v", err)
	}
	if _, err := verify.NewEd25519(namespace, append(ids(3), ids(3)[1])); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("duplicate: %v", err)
	}
	if _, err := verify.NewEd25519(namespace, make([]wire.PublicKey, verify.MaxValidators+1)); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("too many: %v", err)
	}
	backwards := ids(4)
	slices.Reverse(backwards)
	e, err := verify.NewEd25519(namespace, backwards)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Participants(), ids(4)) {
		t.Errorf("participants %v", e.Participants())
	}
}

// docs/protocol.md 3.1: Sets of validators and of sequencers refuse keys of small order: anybody
// could make their votes, or sign their chunks.
func TestRule3_1_NoValidatorSetTakesAnIdentityOfSmallOrder(t *testing.T) {
	type constructor func(ids []wire.PublicKey) error
	constructors := map[string]constructor{
		"Ed25519": func(ids []wire.PublicKey) error {
			_, err := verify.NewEd25519(namespace, ids)
			return err
		},
	}
	points := newSet(t, schemeCase{kind: testkit.Secp256r1}, 4, 1).PublicKeys
	constructors["secp256r1"] = func(ids []wire.PublicKey) error {
		validators := make([]verify.Validator, len(ids))
		for i, id := range ids {
			validators[i] = verify.Validator{Identity: id, Key: points[i]}
		}
		_, err := verify.NewSecp256r1(namespace, validators)
		return err
	}
	for _, v := range variants {
		validators, _ := members(t, v, 4)
		with := func(ids []wire.PublicKey) []verify.Validator {
			for i := range validators {
				validators[i].Identity = ids[i]
			}
			return validators
		}
		constructors["Multisig "+v.String()] = func(ids []wire.PublicKey) error {
			_, err := verify.NewMultisig(options(v), with(ids))
			return err
		}
		constructors["MultisigFromProvenKeys "+v.String()] = func(ids []wire.PublicKey) error {
			_, err := verify.NewMultisigFromProvenKeys(options(v), with(ids))
			return err
		}
		d, err := testkit.Deal(v, 4, nil)
		if err != nil {
			t.Fatal(err)
		}
		constructors["Threshold "+v.String()] = func(ids []wire.PublicKey) error {
			_, err := verify.NewThreshold(options(v), ids, d.GroupKey, d.ShareKeys)
			return err
		}
	}
	for name, construct := range constructors {
		if err := construct(ids(4)); err != nil {
			t.Errorf("%s of good keys: %v", name, err)
		}
		for _, key := range smallEdwards() {
			err := construct(slices.Insert(ids(3), 1, key))
			if !errors.Is(err, verify.ErrKey) || !strings.Contains(err.Error(), "given validator 1,") || !strings.Contains(err.Error(), key.String()) {
				t.Errorf("%s with %v: %v", name, key, err)
			}
		}
	}
}

func TestCheckIdentityTakesPointsOfLargeOrderOnly(t *testing.T) {
	for _, key := range smallEdwards() {
		err := verify.CheckIdentity(key)
		if !errors.Is(err, verify.ErrKey) || !strings.Contains(err.Error(), key.String()) {
			t.Errorf("%v: %v", key, err)
		}
	}
	if err := verify.CheckIdentity(wire.PublicKey{2}); !errors.Is(err, verify.ErrKey) {
		t.Errorf("no point: %v", err)
	}
	for _, id := range ids(4) {
		if err := verify.CheckIdentity(id); err != nil {
			t.Errorf("a good key: %v", err)
		}
		// A key of composite order: only its holder can sign for it.
		p := must(new(edwards25519.Point).SetBytes(id[:]))
		p.Add(p, must(new(edwards25519.Point).SetBytes(smallEdwards()[2][:])))
		if err := verify.CheckIdentity(wire.PublicKey(p.Bytes())); err != nil {
			t.Errorf("a key of composite order: %v", err)
		}
	}
}

func TestASignerIsMadeForAKeyOfTheSetOnly(t *testing.T) {
	for _, v := range variants {
		validators, keys := members(t, v, 4)
		m, err := verify.NewMultisig(options(v), validators)
		if err != nil {
			t.Fatal(err)
		}
		for what, k := range map[string]*verify.SecretKey{"stranger": secret(t, v, 99), "other variant": secret(t, v^1, 1), "none": nil} {
			if _, err := m.Signer(k); !errors.Is(err, verify.ErrNotValidator) {
				t.Errorf("%v, %s: %v", v, what, err)
			}
		}
		signer, err := m.Signer(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := signer.SignAck(ctx, subject(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("signed after the context ended: %v", err)
		}
	}
	e, err := verify.NewEd25519(namespace, ids(4))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Signer(testkit.Identities(1, 77)[0]); !errors.Is(err, verify.ErrNotValidator) {
		t.Errorf("stranger: %v", err)
	}
	if _, err := e.Signer(make(ed25519.PrivateKey, 5)); !errors.Is(err, verify.ErrKey) {
		t.Errorf("malformed: %v", err)
	}
	signer, err := e.Signer(testkit.Identities(4, 3)[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := signer.SignAck(ctx, subject(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("signed after the context ended: %v", err)
	}
}

func TestSigningInVariableTimeMustBeAllowed(t *testing.T) {
	validators, keys := members(t, verify.MinSig, 1)
	o := options(verify.MinSig)
	o.AllowVariableTimeSigning = false
	m, err := verify.NewMultisig(o, validators)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Signer(keys[0])
	if want := verify.BackendName == "gnark-crypto"; errors.Is(err, verify.ErrVariableTime) != want || !want && err != nil {
		t.Errorf("back end %s: %v", verify.BackendName, err)
	}
}

func TestTheQuorumIsAllButAThird(t *testing.T) {
	var got []string
	for _, n := range []int{-1, 0, 1, 2, 3, 4, 5, 6, 7, 10, 31, 100, 300} {
		got = append(got, fmt.Sprint(n, ":", verify.Quorum(n)))
	}
	want := "-1:0 0:0 1:1 2:2 3:3 4:3 5:4 6:5 7:5 10:7 31:21 100:67 300:201"
	if strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
}
