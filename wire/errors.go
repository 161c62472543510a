package wire

import "errors"

// Errors of decoding bytes and parsing texts. Decoders return them wrapped in a [*DecodeError] that
// names the field.
var (
	// ErrTruncated: the bytes end before the value does.
	ErrTruncated = errors.New("truncated")
	// ErrTrailing: there are bytes after the end of the message.
	ErrTrailing = errors.New("trailing bytes")
	// ErrVarint: an integer that is not canonical LEB128, or too large for its type.
	ErrVarint = errors.New("non-canonical or overlong varint")
	// ErrOption: an option byte that is neither 0x00 nor 0x01.
	ErrOption = errors.New("option byte is neither 0 nor 1")
	// ErrTag: an activity tag that is not assigned.
	ErrTag = errors.New("unknown activity tag")
	// ErrParentAtGenesis: a node at height 0 has a parent.
	ErrParentAtGenesis = errors.New("parent at height 0")
	// ErrParentMissing: a node above height 0 has no parent.
	ErrParentMissing = errors.New("no parent above height 0")
	// ErrUnknownEpoch: no validator set is known for the epoch, so the certificate has no bound.
	ErrUnknownEpoch = errors.New("unknown epoch")
	// ErrTooManySigners: a signer bitmap longer than the validator set of its epoch.
	ErrTooManySigners = errors.New("signer bitmap longer than the validator set")
	// ErrStrayBits: bits set past the end of a signer bitmap.
	ErrStrayBits = errors.New("bits set past the end of the signer bitmap")
	// ErrNoSigners: a certificate with no signer at all.
	ErrNoSigners = errors.New("no signers")
	// ErrSignerCount: the number of signatures in a certificate differs from the number of bits in
	// its bitmap.
	ErrSignerCount = errors.New("signature count differs from the number of signers")
	// ErrSignatureSize: an ack whose signature does not have the length that its epoch's scheme
	// demands.
	ErrSignatureSize = errors.New("wrong signature length")
	// ErrNoConflict: evidence of a conflict whose two halves agree.
	ErrNoConflict = errors.New("the two halves do not conflict")
	// ErrHeaderCount: a fork with more than 1,024 headers, or with another number of headers than its
	// locks are heights apart.
	ErrHeaderCount = errors.New("wrong number of headers")
	// ErrTextLength: a text of the wrong length. A key or a digest has 64 digits, a signature 128.
	ErrTextLength = errors.New("wrong length of a hexadecimal text")
	// ErrTextDigit: a text with a character that is no digit of lower-case hexadecimal.
	ErrTextDigit = errors.New("no digit of lower-case hexadecimal")
)

// DecodeError names the field of a message that could not be decoded, or the text that could not be
// parsed, and the reason. Err is one of the Err… values of this package, or wraps one.
type DecodeError struct {
	Field string // e.g. "parent certificate"
	Err   error
}

func (e *DecodeError) Error() string { return "wire: " + e.Field + ": " + e.Err.Error() }

// Unwrap returns the reason, so that errors.Is(err, ErrTruncated) works.
func (e *DecodeError) Unwrap() error { return e.Err }

func fail(field string, err error) error { return &DecodeError{Field: field, Err: err} }
