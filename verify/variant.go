package verify

import (
	"fmt"

	"github.com/lanecast/lanecast/verify/internal/curve"
)

// Variant selects the group of the pairing that contains the signatures of a BLS scheme. The other
// group contains its keys.
type Variant uint8

const (
	// MinSig has signatures of 48 bytes in G1 and keys of 96 in G2. It costs less to verify, and is
	// the zero value.
	MinSig Variant = iota
	// MinPk has signatures of 96 bytes in G2 and keys of 48 in G1.
	MinPk
)

// String returns "minsig" or "minpk".
func (v Variant) String() string {
	switch v {
	case MinSig:
		return "minsig"
	case MinPk:
		return "minpk"
	}
	return fmt.Sprintf("variant(%d)", uint8(v))
}

func (v Variant) check() error {
	if v > MinPk {
		return fmt.Errorf("verify: %w: Variant is %d, want MinSig (0) or MinPk (1)", ErrConfig, uint8(v))
	}
	return nil
}

// signatures and keys return the groups of signatures and of keys.
func (v Variant) signatures() curve.Group {
	if v == MinSig {
		return curve.G1
	}
	return curve.G2
}

func (v Variant) keys() curve.Group { return v.signatures().Other() }

// The domain separation tags, by group of the hash. They are those of the suites BLS_SIG_…_POP_ in
// draft-irtf-cfrg-bls-signature-05, section 4.2.3, and of their proofs of possession.
const (
	messageTagG1 = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
	messageTagG2 = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
	proofTagG1   = "BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
	proofTagG2   = "BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
)

func (v Variant) messageTag() []byte {
	if v == MinSig {
		return []byte(messageTagG1)
	}
	return []byte(messageTagG2)
}

func (v Variant) proofTag() []byte {
	if v == MinSig {
		return []byte(proofTagG1)
	}
	return []byte(proofTagG2)
}

// AckEncoding selects the encoding of BLS signatures in acks of a network. Certificates are always
// compressed.
type AckEncoding uint8

const (
	// Compressed is the standard form: 48 bytes in G1, 96 in G2.
	Compressed AckEncoding = iota
	// Uncompressed takes twice the bytes and is read about fifty times faster. All processes of the
	// network must use the same encoding.
	Uncompressed
)

// String returns "compressed" or "uncompressed".
func (e AckEncoding) String() string {
	switch e {
	case Compressed:
		return "compressed"
	case Uncompressed:
		return "uncompressed"
	}
	return fmt.Sprintf("encoding(%d)", uint8(e))
}

// Config configures the BLS schemes, [Multisig] and [Threshold]. [Ed25519] takes a namespace only.
type Config struct {
	// Namespace separates this network's signatures from all other uses of the same keys. Any bytes
	// are allowed.
	Namespace []byte
	// Variant selects the groups of signatures and keys. MinSig is the default.
	Variant Variant
	// AckEncoding selects the encoding of votes. Compressed is the default.
	AckEncoding AckEncoding
	// AllowVariableTimeSigning allows Signer on a back end whose signing is not constant-time, as
	// in builds without cgo. An observer who can time signatures may then learn bits of the key. It
	// has no effect if signing is constant-time.
	AllowVariableTimeSigning bool
}

func (c *Config) check() error {
	if err := CheckEnvironment(); err != nil {
		return err
	}
	if err := c.Variant.check(); err != nil {
		return err
	}
	if c.AckEncoding > Uncompressed {
		return fmt.Errorf("verify: %w: AckEncoding is %d, want Compressed (0) or Uncompressed (1)",
			ErrConfig, uint8(c.AckEncoding))
	}
	return nil
}
