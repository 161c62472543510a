package wire_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

var (
	_ encoding.TextMarshaler   = wire.PublicKey{}
	_ encoding.TextMarshaler   = wire.Digest{}
	_ encoding.TextMarshaler   = wire.Signature{}
	_ encoding.TextUnmarshaler = (*wire.PublicKey)(nil)
	_ encoding.TextUnmarshaler = (*wire.Digest)(nil)
	_ encoding.TextUnmarshaler = (*wire.Signature)(nil)
)

// counted has a different byte at each index, so that a text with two bytes exchanged is noticed.
func counted() (b [32]byte) {
	for i := range b {
		b[i] = byte(i*8 + i)
	}
	return b
}

func TestTheTextOfAKeyIsLowerCaseHexadecimal(t *testing.T) {
	const want = "0009121b242d363f48515a636c757e879099a2abb4bdc6cfd8e1eaf3fc050e17"
	key, digest := wire.PublicKey(counted()), wire.Digest(counted())
	for _, v := range []interface {
		String() string
		MarshalText() ([]byte, error)
	}{key, digest} {
		text, err := v.MarshalText()
		if v.String() != want || string(text) != want || err != nil {
			t.Errorf("%T is written as %s and %s, %v, want %s", v, v, text, err, want)
		}
	}
	if got, err := wire.ParsePublicKey(want); got != key || err != nil {
		t.Errorf("%s is read as the key %v, %v", want, got, err)
	}
	if got, err := wire.ParseDigest(want); got != digest || err != nil {
		t.Errorf("%s is read as the digest %v, %v", want, got, err)
	}
}

func TestATextThatIsNoKeyIsRefusedWithItsReason(t *testing.T) {
	digits := strings.Repeat("5e", 32)
	for _, c := range []struct {
		name, text string
		reason     error
		says       string
	}{
		{"nothing", "", wire.ErrTextLength, "0 bytes, want 64"},
		{"one digit too few", digits[1:], wire.ErrTextLength, "63 bytes, want 64"},
		{"one digit too many", digits + "0", wire.ErrTextLength, "65 bytes, want 64"},
		{"a prefix", "0x" + digits, wire.ErrTextLength, "66 bytes, want 64"},
		{"a line's end", digits + "\n", wire.ErrTextLength, "65 bytes, want 64"},
		{"very long", strings.Repeat("0", 1<<20), wire.ErrTextLength, "1048576 bytes, want 64"},
		{"a prefix in the digits' room", "0x" + digits[2:], wire.ErrTextDigit, "'x' at byte 1"},
		{"upper case", digits[:62] + "5E", wire.ErrTextDigit, "'E' at byte 63"},
		{"the letter after f", "g" + digits[1:], wire.ErrTextDigit, "'g' at byte 0"},
		{"the character before a", "`" + digits[1:], wire.ErrTextDigit, "'`' at byte 0"},
		{"the character after 9", ":" + digits[1:], wire.ErrTextDigit, "':' at byte 0"},
		{"the character before 0", "/" + digits[1:], wire.ErrTextDigit, "'/' at byte 0"},
		{"a space", digits[:10] + " " + digits[11:], wire.ErrTextDigit, "' ' at byte 10"},
		{"a zero byte", digits[:63] + "\x00", wire.ErrTextDigit, `'\x00' at byte 63`},
		{"digits of another script", "５" + digits[3:], wire.ErrTextDigit, "'５' at byte 0"},
		{"half a character", digits[:63] + "\xef", wire.ErrTextDigit, "at byte 63"},
		{"a terminal's escape", "\x1b[2J" + digits[4:], wire.ErrTextDigit, `'\x1b' at byte 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, digest := keyOf(0x11), digestOf(0x22)
			_, keyErr := wire.ParsePublicKey(c.text)
			_, digestErr := wire.ParseDigest(c.text)
			for _, got := range []struct {
				err   error
				field string
			}{
				{keyErr, "public key"}, {key.UnmarshalText([]byte(c.text)), "public key"},
				{digestErr, "digest"}, {digest.UnmarshalText([]byte(c.text)), "digest"},
			} {
				var where *wire.DecodeError
				if !errors.Is(got.err, c.reason) || !errors.As(got.err, &where) || where.Field != got.field {
					t.Fatalf("the error is %v, want one of a %s that is %v", got.err, got.field, c.reason)
				}
				if text := got.err.Error(); !strings.HasSuffix(text, c.says) || len(text) > 100 {
					t.Errorf("the error says %q, want %q", text, c.says)
				}
			}
			if key != keyOf(0x11) || digest != digestOf(0x22) {
				t.Errorf("the refused text left %v and %v", key, digest)
			}
		})
	}
}

func TestASignatureSurvivesJSONAsLowerCaseHexadecimal(t *testing.T) {
	first := counted()
	want := wire.Signature(append(first[:], filled(32, 0xE5)...))
	b, err := json.Marshal(want)
	if err != nil || string(b) != `"`+want.String()+`"` {
		t.Errorf("it is written as %s, %v, want %v", b, err, want)
	}
	var got wire.Signature
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%s is read as %v, %v", b, got, err)
	}
}

func TestATextThatIsNoSignatureIsRefusedAndChangesNothing(t *testing.T) {
	digits := strings.Repeat("5e", wire.SignatureSize)
	for text, reason := range map[string]error{
		"":                  wire.ErrTextLength,
		digits[64:]:         wire.ErrTextLength,
		digits[1:]:          wire.ErrTextLength,
		digits + "00":       wire.ErrTextLength,
		digits[:127] + "E":  wire.ErrTextDigit,
		digits[:126] + "0x": wire.ErrTextDigit,
	} {
		s := signatureOf(0x51)
		err := s.UnmarshalText([]byte(text))
		var where *wire.DecodeError
		if !errors.Is(err, reason) || !errors.As(err, &where) || where.Field != "signature" || s != signatureOf(0x51) {
			t.Errorf("%q: %v, want %v, and the signature is %v", text, err, reason, s)
		}
	}
}

func TestKeysAndDigestsSurviveJSON(t *testing.T) {
	type file struct {
		Sequencer wire.PublicKey
		Payload   *wire.Digest
		Weights   map[wire.PublicKey]int
		Names     map[wire.Digest]string
	}
	digest := wire.Digest(counted())
	want := file{
		Sequencer: wire.PublicKey(counted()), Payload: &digest,
		Weights: map[wire.PublicKey]int{keyOf(0x11): 1, keyOf(0xEE): 2},
		Names:   map[wire.Digest]string{digestOf(0x22): "x"},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"Sequencer":"0009121b`) || !strings.Contains(string(b), `{"1111111111`) {
		t.Errorf("keys are written as %s", b)
	}
	var got file
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Sequencer != want.Sequencer || *got.Payload != digest ||
		len(got.Weights) != 2 || got.Weights[keyOf(0xEE)] != 2 || got.Names[digestOf(0x22)] != "x" {
		t.Errorf("%s is read as %+v", b, got)
	}
	for text, reason := range map[string]error{
		`{"Sequencer":"11"}`:                               wire.ErrTextLength,
		`{"Weights":{"11":1}}`:                             wire.ErrTextLength,
		`{"Names":{"` + strings.Repeat("Z", 64) + `":""}}`: wire.ErrTextDigit,
	} {
		if err := json.Unmarshal([]byte(text), new(file)); !errors.Is(err, reason) {
			t.Errorf("%s: %v, want %v", text, err, reason)
		}
	}
	if json.Unmarshal([]byte(`{"Sequencer":[17]}`), new(file)) == nil {
		t.Error("a list of numbers is read as a key")
	}
}

// FuzzParsePublicKey checks that a text that parses is the String of its key, and that any other
// text gives an error with a reason and leaves the key unchanged.
func FuzzParsePublicKey(f *testing.F) {
	f.Add(strings.Repeat("5e", 32))
	f.Add(strings.Repeat("5E", 32))
	f.Add("0x" + strings.Repeat("00", 32))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := wire.ParsePublicKey(text)
		read := keyOf(0x11)
		if again := read.UnmarshalText([]byte(text)); (again == nil) != (err == nil) {
			t.Fatalf("%q: ParsePublicKey says %v, UnmarshalText %v", text, err, again)
		}
		switch {
		case err == nil && (key.String() != text || read != key):
			t.Fatalf("%q is read as %v and %v", text, key, read)
		case err != nil && (read != keyOf(0x11) || !errors.Is(err, wire.ErrTextLength) && !errors.Is(err, wire.ErrTextDigit)):
			t.Fatalf("%q: %v, and the key is %v", text, err, read)
		}
	})
}
