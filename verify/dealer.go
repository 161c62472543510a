package verify

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/verify/internal/curve"
)

// Dealing is the key material of a [Threshold] set. Share i is participant i's.
type Dealing struct {
	GroupKey  []byte
	ShareKeys [][]byte
	Shares    []*SecretKey
}

// DealForTesting is a trusted dealer: it makes up a secret, shares it among n validators with threshold Quorum(n), and
// forgets it. It is for tests and load generation. In earnest keys come from a distributed key generation, in which
// nobody ever knows the secret. random is crypto/rand if nil.
func DealForTesting(v Variant, n int, random io.Reader) (*Dealing, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	if n < 1 || n > MaxValidators {
		return nil, fmt.Errorf("verify: %w: dealing for %d validators; there must be 1 to %d", ErrValidatorSet, n, MaxValidators)
	}
	if random == nil {
		random = rand.Reader
	}
	f := make([]fr.Element, Quorum(n)) // f[k] is the coefficient of xᵏ
	defer clear(f)
	for k := range f {
		var b [48]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("verify: dealing: %w", err)
		}
		f[k].SetBytes(b[:])
		clear(b[:])
	}
	d := &Dealing{ShareKeys: make([][]byte, n), Shares: make([]*SecretKey, n)}
	for i := range n + 1 {
		var x, y fr.Element
		x.SetUint64(uint64(i))
		for k := len(f) - 1; k >= 0; k-- {
			y.Mul(&y, &x).Add(&y, &f[k])
		}
		if y.IsZero() {
			return nil, fmt.Errorf("verify: dealing: %w: a share is zero", ErrKey) // of random polynomials one in 2²⁵⁵⁄n
		}
		secret := y.Bytes()
		if i == 0 {
			c := curve.Default()
			d.GroupKey = c.Append(nil, c.PublicKey(&secret, v.keys()), 0, false)
		} else {
			d.Shares[i-1] = newSecretKey(v, &secret)
			d.ShareKeys[i-1] = d.Shares[i-1].PublicKey()
		}
		clear(secret[:])
	}
	return d, nil
}
