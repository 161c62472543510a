package wire

import (
	"encoding/hex"
	"fmt"
	"unicode/utf8"
)

// The text of a key, a digest or a signature is its bytes in lower-case hexadecimal, two digits for
// each and nothing else. So there is one text for each value: two different texts are never the
// same value, as keys of a JSON object for example.

// String returns the key in hexadecimal.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// String returns the signature in hexadecimal.
func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// ParsePublicKey returns the key whose String is text. The errors are [ErrTextLength] and
// [ErrTextDigit], in a [*DecodeError]. Package verify decides whether the 32 bytes are a point.
func ParsePublicKey(text string) (k PublicKey, err error) {
	err = parseHex(k[:], text, "public key")
	return k, err
}

// ParseDigest returns the digest whose String is text; the errors are those of [ParsePublicKey].
func ParseDigest(text string) (d Digest, err error) {
	err = parseHex(d[:], text, "digest")
	return d, err
}

// MarshalText implements [encoding.TextMarshaler]: the text is that of String. It never fails.
func (k PublicKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// MarshalText implements [encoding.TextMarshaler]: the text is that of String. It never fails.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// MarshalText implements [encoding.TextMarshaler]: the text is that of String. It never fails.
func (s Signature) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; see [ParsePublicKey]. An error leaves the
// key as it was.
func (k *PublicKey) UnmarshalText(text []byte) error {
	return parseHex(k[:], text, "public key")
}

// UnmarshalText implements [encoding.TextUnmarshaler]; see [ParseDigest]. An error leaves the
// digest as it was.
func (d *Digest) UnmarshalText(text []byte) error {
	return parseHex(d[:], text, "digest")
}

// UnmarshalText implements [encoding.TextUnmarshaler]; the errors are those of [ParsePublicKey]. An
// error leaves the signature as it was. Package verify decides whether the bytes are a signature.
func (s *Signature) UnmarshalText(text []byte) error {
	return parseHex(s[:], text, "signature")
}

// parseHex puts the bytes that text encodes into dst, which it fills or leaves unchanged. The error
// contains at most one character of the text, because the text may come from any peer and have any
// length.
func parseHex[T string | []byte](dst []byte, text T, field string) error {
	if len(text) != 2*len(dst) {
		return fail(field, fmt.Errorf("%w: %d bytes, want %d", ErrTextLength, len(text), 2*len(dst)))
	}
	var b [SignatureSize]byte // the longest dst
	for i := range len(text) {
		var digit byte
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c && c <= 'f':
			digit = c - 'a' + 10
		default:
			r, _ := utf8.DecodeRuneInString(string(text[i:]))
			return fail(field, fmt.Errorf("%w: %q at byte %d", ErrTextDigit, r, i))
		}
		b[i/2] = b[i/2]<<4 | digit
	}
	copy(dst, b[:])
	return nil
}
