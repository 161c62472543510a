package curve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	out, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHashFollowsRFC9380(t *testing.T) {
	// Appendices J.9.1 and J.10.1; points of G2 are written as x1 ‖ x0 ‖ y1 ‖ y0, as in their
	// encoding.
	for _, v := range []struct {
		group         Group
		message, want string
	}{
		{G1, "", "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1" +
			"08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265"},
		{G1, "abc", "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903" +
			"0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d"},
		{G2, "", "05cb8437535e20ecffaef7752baddf98034139c38452458baeefab379ba13dff5bf5dd71b72418717047f5b0f37da03d" +
			"0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c1038e9dcdd5393faf5c41fb78a" +
			"12424ac32561493f3fe3c260708a12b7c620e7be00099a974e259ddc7d1f6395c3c811cdd19f1e8dbf3e9ecfdcbab8d6" +
			"0503921d7f6a12805e72940b963c0cf3471c7b2a524950ca195d11062ee75ec076daf2d4bc358c4b190c0c98064fdd92"},
		{G2, "abc", "139cddbccdc5e91b9623efd38c49f81a6f83f175e80b06fc374de9eb4b41dfe4ca3a230ed250fbe3a2acf73a41177fd8" +
			"02c2d18e033b960562aae3cab37a27ce00d80ccd5ba4b7fe0e7a210245129dbec7780ccc7954725f4168aff2787776e6" +
			"00aa65dae3c8d732d10ecd2c50f8a1baf3001578f71c694e03866e9f3d49ac1e1ce70dd94a733534f106d4cec0eddd16" +
			"1787327b68159716a37440985269cf584bcb1e621d3a7202be6ea05c4cfe244aeb197642555a0645fb87bf7466b2ba48"},
	} {
		tag := map[Group]string{
			G1: "QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_",
			G2: "QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_",
		}[v.group]
		for _, b := range backends() {
			p := b.Hash(v.group, []byte(tag), []byte("another"), []byte(v.message))
			if got := b.Append(nil, p, 1, true); p.Len() != 2 || !bytes.Equal(got, unhex(t, v.want)) {
				t.Errorf("%s: %q hashes to %x", b.Name(), v.message, got)
			}
		}
	}
}

func TestHashingNoMessagesGivesNoPoints(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		if b.Hash(g, []byte("tag")).Len() != 0 {
			t.Fatal("points from nowhere")
		}
	})
}

func TestKeyGenGivesTheMasterKeyOfEIP2333(t *testing.T) {
	// EIP-2333, test case 0: its hkdf_mod_r of the seed is KeyGen with the standard salt and an
	// empty key_info.
	seed := "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5349553" +
		"1f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04"
	want, _ := new(big.Int).SetString("6083874454709270928345386274498605044986640685124978867557563392430687146096", 10)
	for _, b := range backends() {
		secret := b.KeyGen(unhex(t, seed))
		if new(big.Int).SetBytes(secret[:]).Cmp(want) != 0 {
			t.Errorf("%s: %x", b.Name(), secret)
		}
	}
}

func TestKeysAndSignaturesAgreeAcrossBackends(t *testing.T) {
	for n := range 4 {
		material := bytes.Repeat([]byte{byte(n)}, 32+17*n)
		var secrets, outputs [][]byte
		for _, b := range backends() {
			before := bytes.Clone(material)
			secret := b.KeyGen(material)
			if !bytes.Equal(before, material) {
				t.Fatal("the key material was changed")
			}
			secrets = append(secrets, secret[:])
			var out []byte
			for _, g := range groups {
				h := b.Hash(g, []byte("tag"), []byte("one"), []byte("two"))
				signatures, key := b.Sign(&secret, h), b.PublicKey(&secret, g)
				if signatures.Len() != 2 || !same(b, key, b.Sign(&secret, b.Generator(g))) {
					t.Fatal("the key is not secret times the generator")
				}
				out = append(append(out, encoded(b, signatures, false)...), encoded(b, key, true)...)
			}
			outputs = append(outputs, out)
		}
		for i := range secrets {
			if !bytes.Equal(secrets[0], secrets[i]) || !bytes.Equal(outputs[0], outputs[i]) {
				t.Fatal("the back ends disagree")
			}
		}
	}
}

func TestASignatureOfEthereumIsReproduced(t *testing.T) {
	// From the public BLS test suite of the Ethereum consensus layer, case
	// sign_case_84d45c9c7cca6b92: MinPk, POP.
	secret := (*[32]byte)(unhex(t, "263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3"))
	message := bytes.Repeat([]byte{0x56}, 32)
	key := unhex(t, "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a")
	want := unhex(t, "882730e5d03f6b42c3abc26d3372625034e1d871b65a8a6b900a56dae22da98abbe1b68f85e49fe7652a55ec3d0591c2"+
		"0767677e33e5cbb1207315c41a9ac03be39c2e7668edc043d6cb1d9fd93033caa8a1c5b0e84bedaeb6c64972503a43eb")
	for _, b := range backends() {
		h := b.Hash(G2, []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"), message)
		if got := b.Append(nil, b.Sign(secret, h), 0, false); !bytes.Equal(got, want) {
			t.Errorf("%s: %x", b.Name(), got)
		}
		if got := b.Append(nil, b.PublicKey(secret, G1), 0, false); !bytes.Equal(got, key) {
			t.Errorf("%s: %x", b.Name(), got)
		}
	}
}

func TestThePairingIsBilinear(t *testing.T) {
	for _, b := range backends() {
		one, two := secretOf(1), secretOf(2)
		product := new(big.Int).Mul(new(big.Int).SetBytes(one[:]), new(big.Int).SetBytes(two[:]))
		both := (*[32]byte)(product.Mod(product, groupOrder).FillBytes(make([]byte, 32)))
		// e(a·g1, b·g2) = e(ab·g1, g2) = e(g1, ab·g2)
		left := b.PublicKey(one, G1)
		right := b.PublicKey(two, G2)
		if !b.PairingsCancel(b.Join(left, b.Neg(b.PublicKey(both, G1))), b.Join(right, b.Generator(G2))) {
			t.Fatal(b.Name(), "left")
		}
		if !b.PairingsCancel(b.Join(b.Neg(left), b.Generator(G1)), b.Join(right, b.PublicKey(both, G2))) {
			t.Fatal(b.Name(), "right")
		}
		if b.PairingsCancel(b.Join(left, b.PublicKey(both, G1)), b.Join(right, b.Generator(G2))) {
			t.Fatal(b.Name(), "without the minus sign it must not cancel")
		}
		if b.PairingsCancel(b.Generator(G1), b.Generator(G2)) {
			t.Fatal(b.Name(), "the pairing is degenerate")
		}
	}
}

func TestPairsWithTheIdentityContributeNothing(t *testing.T) {
	for _, b := range backends() {
		p, q := some(b, G1, 2), some(b, G2, 2)
		a, c := b.Select(p, []int{1}), b.Select(q, []int{1})
		o1, o2 := identity(b, G1), identity(b, G2)
		if !b.PairingsCancel(b.Select(p, nil), b.Select(q, nil)) {
			t.Fatal(b.Name(), "no pairs")
		}
		if !b.PairingsCancel(b.Join(o1, a, o1), b.Join(c, o2, o2)) {
			t.Fatal(b.Name(), "identities alone")
		}
		if !b.PairingsCancel(b.Join(o1, a, b.Neg(a), a), b.Join(c, c, c, o2)) {
			t.Fatal(b.Name(), "a batch that cancels, with identities")
		}
		if b.PairingsCancel(b.Join(o1, a, a, a), b.Join(c, c, c, o2)) {
			t.Fatal(b.Name(), "a batch that does not cancel, with identities")
		}
	}
}

func TestManyPairsCancelOrNotTogether(t *testing.T) {
	// More pairs than either library processes in one Miller loop, and every remainder modulo
	// eight.
	for _, b := range backends() {
		for n := 1; n <= 18; n++ {
			p, q := some(b, G1, n), some(b, G2, n)
			swapped := make([]int, n)
			for i := range swapped {
				swapped[i] = n - 1 - i
			}
			// Σ over i of e(p, q) against the same pairs in reverse order.
			left, right := b.Join(p, b.Neg(b.Select(p, swapped))), b.Join(q, b.Select(q, swapped))
			if !b.PairingsCancel(left, right) {
				t.Fatal(b.Name(), n, "do not cancel")
			}
			if n > 1 && b.PairingsCancel(b.Join(p, b.Neg(p)), right) {
				t.Fatal(b.Name(), n, "cancel")
			}
		}
	}
}

func TestASignatureVerifiesInEitherGroup(t *testing.T) {
	digest := sha256.Sum256([]byte("message"))
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		secret := secretOf(3)
		h := b.Hash(g, []byte("tag"), digest[:])
		signature, key := b.Sign(secret, h), b.PublicKey(secret, g.Other())
		in1, in2 := b.Join(signature, b.Neg(h)), b.Join(b.Generator(g.Other()), key)
		if g == G2 {
			in1, in2 = in2, in1
		}
		if !b.PairingsCancel(in1, in2) {
			t.Fatal("a good signature was refused")
		}
	})
}
