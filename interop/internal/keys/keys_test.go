package keys

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// dealt writes the file of a set, as upstream's program does.
func dealt(t *testing.T, scheme string, n int) file {
	t.Helper()
	family, variant, _ := strings.Cut(scheme, "-")
	v := verify.MinSig
	if variant == "minpk" {
		v = verify.MinPk
	}
	namespace := []byte("interop")
	set, err := testkit.New(testkit.Kind(family), v, verify.Compressed, n, namespace, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := file{Namespace: hex.EncodeToString(namespace), Scheme: scheme, Group: hex.EncodeToString(set.GroupKey)}
	for i, k := range set.Identities {
		var secret, proof []byte
		switch {
		case set.Secrets != nil:
			secret = set.Secrets[i].Bytes()
			proof = set.Secrets[i].ProofOfPossession(namespace)
		case family == "secp256r1":
			k, err := testkit.Secp256r1Key(1, uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			if secret, err = k.Bytes(); err != nil {
				t.Fatal(err)
			}
		}
		id := testkit.Identity(k)
		f.Validators = append(f.Validators, struct{ Seed, Identity, Secret, Public, Proof string }{
			hex.EncodeToString(k.Seed()), hex.EncodeToString(id[:]), hex.EncodeToString(secret),
			hex.EncodeToString(set.PublicKeys[i]), hex.EncodeToString(proof),
		})
	}
	return f
}

func parse(t *testing.T, f file) (*Set, error) {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(text)
}

func TestASetOfEachSchemeIsReadWithItsSigners(t *testing.T) {
	for _, scheme := range Schemes {
		t.Run(scheme, func(t *testing.T) {
			s, err := parse(t, dealt(t, scheme, 4))
			if err != nil {
				t.Fatal(err)
			}
			chunk := wire.Chunk{Sequencer: s.ChunkSigners[3].PublicKey(), Height: 1}
			for i, signer := range s.AckSigners {
				vote, err := signer.SignAck(context.Background(), wire.Subject{Chunk: chunk, Epoch: 7})
				if err != nil {
					t.Fatal(err)
				}
				a := wire.Ack{Chunk: chunk, Epoch: 7, Participant: wire.Participant(i), Signature: vote}
				if err := verify.VerifyAck(s.Scheme, &a); err != nil {
					t.Errorf("validator %d: %v", i, err)
				}
			}
		})
	}
}

func TestASetWhoseKeysDoNotFitIsRefused(t *testing.T) {
	for what, change := range map[string]func(f *file){
		"scheme":     func(f *file) { f.Scheme = "rsa" },
		"namespace":  func(f *file) { f.Namespace = "x" },
		"group":      func(f *file) { f.Group = "x" },
		"seed":       func(f *file) { f.Validators[1].Seed = "00" },
		"identity":   func(f *file) { f.Validators[1].Identity = f.Validators[2].Identity },
		"hex":        func(f *file) { f.Validators[1].Public = "x" },
		"public":     func(f *file) { f.Validators[1].Public = f.Validators[2].Public },
		"secret":     func(f *file) { f.Validators[1].Secret = strings.Repeat("00", 32) },
		"another's":  func(f *file) { f.Validators[1].Secret = strings.Repeat("01", 32) },
		"proof":      func(f *file) { f.Validators[1].Proof = f.Validators[2].Proof },
		"order":      func(f *file) { f.Validators[0], f.Validators[1] = f.Validators[1], f.Validators[0] },
		"validators": func(f *file) { f.Validators = nil },
	} {
		f := dealt(t, "multisig-minsig", 4)
		change(&f)
		if _, err := parse(t, f); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
