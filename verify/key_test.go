package verify_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/verify"
)

var variants = []verify.Variant{verify.MinSig, verify.MinPk}

func secret(t testing.TB, v verify.Variant, seed byte) *verify.SecretKey {
	t.Helper()
	k, err := verify.SecretKeyFromSeed(v, bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The first test case of EIP-2333, whose master key is KeyGen of its seed.
func TestKeyGenIsTheStandardOne(t *testing.T) {
	seed, _ := hex.DecodeString("c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04")
	want, _ := new(big.Int).SetString("6083874454709270928345386274498605044986640685124978867557563392430687146096", 10)
	k, err := verify.SecretKeyFromSeed(verify.MinPk, seed)
	if err != nil {
		t.Fatal(err)
	}
	if got := new(big.Int).SetBytes(k.Bytes()); got.Cmp(want) != 0 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTheKeyOneHasTheGeneratorAsItsPublicKey(t *testing.T) {
	_, _, g1, g2 := bls.Generators()
	want1, want2 := g1.Bytes(), g2.Bytes()
	for v, want := range map[verify.Variant][]byte{verify.MinPk: want1[:], verify.MinSig: want2[:]} {
		k, err := verify.SecretKeyFromBytes(v, append(make([]byte, 31), 1))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(k.PublicKey(), want) || k.Variant() != v {
			t.Errorf("%v: %x", k.Variant(), k.PublicKey())
		}
	}
}

func TestASecretKeySurvivesItsBytes(t *testing.T) {
	for _, v := range variants {
		a, err := verify.GenerateSecretKey(v, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := verify.SecretKeyFromBytes(v, a.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.PublicKey(), b.PublicKey()) {
			t.Errorf("%v: public keys differ", v)
		}
		clear(a.Bytes())
		clear(a.PublicKey())
		if !bytes.Equal(a.PublicKey(), b.PublicKey()) || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%v: the key changed with its result", v)
		}
	}
}

func TestABadSecretKeyIsRefused(t *testing.T) {
	r := fr.Modulus().Bytes()
	over := bytes.Clone(r)
	over[31]++
	for what, b := range map[string][]byte{
		"short": make([]byte, 31), "long": append([]byte{1}, make([]byte, 32)...), "zero": make([]byte, 32),
		"the order": r, "the order and one": over, "all ones": bytes.Repeat([]byte{0xff}, 32),
	} {
		if _, err := verify.SecretKeyFromBytes(verify.MinSig, b); !errors.Is(err, verify.ErrKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
	under := bytes.Clone(r)
	under[31]--
	if _, err := verify.SecretKeyFromBytes(verify.MinSig, under); err != nil {
		t.Errorf("the order less one: %v", err)
	}
	if _, err := verify.SecretKeyFromSeed(verify.MinSig, make([]byte, 31)); !errors.Is(err, verify.ErrKey) {
		t.Errorf("short seed: %v", err)
	}
	if _, err := verify.GenerateSecretKey(verify.MinSig, strings.NewReader("too little")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("source that runs dry: %v", err)
	}
	for _, err := range []error{
		second(verify.SecretKeyFromBytes(7, under)), second(verify.SecretKeyFromSeed(7, under)),
	} {
		if !errors.Is(err, verify.ErrConfig) || !strings.Contains(err.Error(), "Variant is 7") {
			t.Errorf("unknown variant: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestNoWayOfPrintingAKeyShowsTheSecret(t *testing.T) {
	k := secret(t, verify.MinSig, 3)
	set := newSet(t, blsCases[0], 4, 1)
	signerSecret := set.Secrets[0].Bytes()
	text := []string{k.String(), k.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
		text = append(text,
			fmt.Sprintf(verb, k), fmt.Sprintf(verb, *k), fmt.Sprintf(verb, struct{ k *verify.SecretKey }{k}),
			fmt.Sprintf(verb, struct{ k verify.SecretKey }{*k}), fmt.Sprintf(verb, []any{k, *k}),
			fmt.Sprintf(verb, set.Signers[0]), fmt.Sprintf(verb, set.ChunkSigners[0]))
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("key", "key", k)
	}
	text = append(text, log.String())
	for _, raw := range [][]byte{k.Bytes(), signerSecret, set.Identities[0].Seed()} {
		shapes := []string{
			string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), strings.Trim(fmt.Sprint(raw), "[]"),
			new(big.Int).SetBytes(raw).String(), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}"),
			strings.Trim(fmt.Sprintf("%o", raw), "[]"),
		}
		for _, s := range text {
			for _, shape := range shapes {
				if strings.Contains(s, shape) {
					t.Errorf("secret shown: %s", s)
				}
			}
		}
	}
	if b, err := json.Marshal(k); err == nil {
		t.Errorf("encoded as %s", b)
	}
	if got := fmt.Sprint(k); got != "minsig secret key of "+hex.EncodeToString(k.PublicKey()) {
		t.Errorf("printed as %s", got)
	}
	if got := fmt.Sprint((*verify.SecretKey)(nil)); got != "no secret key" {
		t.Errorf("no key printed as %s", got)
	}
}

// The proof is verified by gnark-crypto, with signed bytes and tags written in the test.
func TestAProofOfPossessionSignsThePublicKeyUnderItsOwnTag(t *testing.T) {
	_, _, g1, g2 := bls.Generators()
	for _, v := range variants {
		k := secret(t, v, 5)
		m := append(append([]byte{byte(len(namespace))}, namespace...), k.PublicKey()...)
		var ok bool
		if v == verify.MinSig {
			var s bls.G1Affine
			var pk bls.G2Affine
			must(s.SetBytes(k.ProofOfPossession(namespace)))
			must(pk.SetBytes(k.PublicKey()))
			h := must(bls.HashToG1(m, []byte("BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_")))
			s.Neg(&s)
			ok = must(bls.PairingCheck([]bls.G1Affine{s, h}, []bls.G2Affine{g2, pk}))
		} else {
			var s bls.G2Affine
			var pk bls.G1Affine
			must(s.SetBytes(k.ProofOfPossession(namespace)))
			must(pk.SetBytes(k.PublicKey()))
			h := must(bls.HashToG2(m, []byte("BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_")))
			s.Neg(&s)
			ok = must(bls.PairingCheck([]bls.G1Affine{g1, pk}, []bls.G2Affine{s, h}))
		}
		if !ok {
			t.Errorf("%v: the proof does not verify", v)
		}
	}
}

func TestVariantsAndEncodingsHaveNames(t *testing.T) {
	got := fmt.Sprint(verify.MinSig, verify.MinPk, verify.Variant(9), verify.Compressed, verify.Uncompressed, verify.AckEncoding(9))
	if got != "minsig minpk variant(9) compressed uncompressed encoding(9)" {
		t.Error(got)
	}
}
