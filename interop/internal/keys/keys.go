// Package keys reads a validator set with all of its secrets, which upstream's program has dealt.
package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Schemes are the names of all schemes in all variants.
var Schemes = []string{"multisig-minsig", "multisig-minpk", "threshold-minsig", "threshold-minpk", "ed25519", "secp256r1"}

// Set is a set whose validators are sequencers too, by participant.
type Set struct {
	Namespace    []byte
	Identities   []wire.PublicKey
	Scheme       verify.Scheme
	AckSigners   []verify.AckSigner
	ChunkSigners []verify.ChunkSigner
}

// file is the format of a dealt set; bytes are in hexadecimal.
type file struct {
	Namespace  string
	Scheme     string
	Group      string
	Validators []struct{ Seed, Identity, Secret, Public, Proof string }
}

// Load reads a set.
func Load(path string) (*Set, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Parse reads a set from the text of its file. It is an error if the identities that Lanecast
// derives from the keys differ from those in the file.
func Parse(text []byte) (*Set, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	namespace, err := hex.DecodeString(f.Namespace)
	if err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	group, err := hex.DecodeString(f.Group)
	if err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	s := &Set{Namespace: namespace}
	var validators []verify.Validator
	var seeds []ed25519.PrivateKey
	var secrets [][]byte
	for i, v := range f.Validators {
		var b [5][]byte
		for k, text := range []string{v.Seed, v.Identity, v.Secret, v.Public, v.Proof} {
			if b[k], err = hex.DecodeString(text); err != nil {
				return nil, fmt.Errorf("validator %d: %w", i, err)
			}
		}
		if len(b[0]) != ed25519.SeedSize {
			return nil, fmt.Errorf("validator %d: a seed of %d bytes", i, len(b[0]))
		}
		key := ed25519.NewKeyFromSeed(b[0])
		identity := wire.PublicKey(key.Public().(ed25519.PublicKey))
		if string(identity[:]) != string(b[1]) {
			return nil, fmt.Errorf("validator %d: its identity is not that of its seed", i)
		}
		s.Identities, seeds, secrets = append(s.Identities, identity), append(seeds, key), append(secrets, b[2])
		s.ChunkSigners = append(s.ChunkSigners, verify.NewChunkSigner(namespace, key))
		validators = append(validators, verify.Validator{Identity: identity, Key: b[3], Proof: b[4]})
	}
	if s.Scheme, s.AckSigners, err = build(f.Scheme, namespace, group, validators, seeds, secrets); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Scheme, err)
	}
	for i, id := range s.Scheme.Participants() {
		if id != s.Identities[i] {
			return nil, fmt.Errorf("validator %d is not participant %d", i, i)
		}
	}
	return s, nil
}

// build makes the scheme and the signers of all validators.
func build(name string, namespace, group []byte, validators []verify.Validator, seeds []ed25519.PrivateKey, secrets [][]byte) (verify.Scheme, []verify.AckSigner, error) {
	identities, publics := make([]wire.PublicKey, len(validators)), make([][]byte, len(validators))
	for i, v := range validators {
		identities[i], publics[i] = v.Identity, v.Key
	}
	family, variant, _ := strings.Cut(name, "-")
	config := verify.Config{Namespace: namespace, Variant: verify.MinSig, AllowVariableTimeSigning: true}
	if variant == "minpk" {
		config.Variant = verify.MinPk
	}
	bls := func(signer func(*verify.SecretKey) (verify.AckSigner, error)) func(i int) (verify.AckSigner, error) {
		return func(i int) (verify.AckSigner, error) {
			k, err := verify.SecretKeyFromBytes(config.Variant, secrets[i])
			if err != nil {
				return nil, err
			}
			return signer(k)
		}
	}
	var scheme verify.Scheme
	var signer func(i int) (verify.AckSigner, error)
	switch family {
	case "multisig":
		m, err := verify.NewMultisig(config, validators)
		if err != nil {
			return nil, nil, err
		}
		scheme, signer = m, bls(m.Signer)
	case "threshold":
		t, err := verify.NewThreshold(config, identities, group, publics)
		if err != nil {
			return nil, nil, err
		}
		scheme, signer = t, bls(t.Signer)
	case "ed25519":
		e, err := verify.NewEd25519(namespace, identities)
		if err != nil {
			return nil, nil, err
		}
		scheme, signer = e, func(i int) (verify.AckSigner, error) { return e.Signer(seeds[i]) }
	case "secp256r1":
		p, err := verify.NewSecp256r1(namespace, validators)
		if err != nil {
			return nil, nil, err
		}
		scheme, signer = p, func(i int) (verify.AckSigner, error) {
			k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secrets[i])
			if err != nil {
				return nil, err
			}
			return p.Signer(k)
		}
	default:
		return nil, nil, fmt.Errorf("unknown scheme; it must be one of %s", strings.Join(Schemes, ", "))
	}
	var signers []verify.AckSigner
	for i := range validators {
		a, err := signer(i)
		if err != nil {
			return nil, nil, fmt.Errorf("validator %d: %w", i, err)
		}
		signers = append(signers, a)
	}
	return scheme, signers, nil
}
