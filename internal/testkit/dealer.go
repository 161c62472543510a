package testkit

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/verify"
)

// Dealing is the key material of a [verify.Threshold] set. Share i belongs to participant i.
type Dealing struct {
	GroupKey  []byte
	ShareKeys [][]byte
	Shares    []*verify.SecretKey
}

// Deal acts as a trusted dealer: it generates a secret, shares it among n validators with threshold
// verify.Quorum(n), and forgets it. Outside of tests and load generation keys come from a
// distributed key generation, in which no party ever knows the secret. A nil random is crypto/rand.
func Deal(v verify.Variant, n int, random io.Reader) (*Dealing, error) {
	if n < 1 || n > verify.MaxValidators {
		return nil, fmt.Errorf("testkit: dealing for %d validators; there must be 1 to %d", n, verify.MaxValidators)
	}
	if random == nil {
		random = rand.Reader
	}
	f := make([]fr.Element, verify.Quorum(n)) // f[k] is the coefficient of xᵏ
	defer clear(f)
	for k := range f {
		var b [48]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("testkit: dealing: %w", err)
		}
		f[k].SetBytes(b[:])
		clear(b[:])
	}
	d := &Dealing{ShareKeys: make([][]byte, n), Shares: make([]*verify.SecretKey, n)}
	for i := range n + 1 {
		var x, y fr.Element
		x.SetUint64(uint64(i))
		for k := len(f) - 1; k >= 0; k-- {
			y.Mul(&y, &x).Add(&y, &f[k])
		}
		value := y.Bytes()
		secret, err := verify.SecretKeyFromBytes(v, value[:]) // fails for one in 2²⁵⁵⁄n polynomials
		clear(value[:])
		if err != nil {
			return nil, fmt.Errorf("testkit: dealing: %w", err)
		}
		if i == 0 {
			d.GroupKey = secret.PublicKey()
		} else {
			d.Shares[i-1], d.ShareKeys[i-1] = secret, secret.PublicKey()
		}
	}
	return d, nil
}
