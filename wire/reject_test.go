package wire_test

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// mustFail fails the test unless err is a *DecodeError that wraps want and names a field.
func mustFail(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
	var d *wire.DecodeError
	if !errors.As(err, &d) || d.Field == "" || d.Err != want {
		t.Fatalf("%v is no DecodeError that names its field", err)
	}
	if got, text := err.Error(), "wire: "+d.Field+": "+want.Error(); got != text {
		t.Errorf("error reads %q, want %q", got, text)
	}
}

func TestBytesOutsideTheSpecificationAreRefused(t *testing.T) {
	huge := "ff*8" // as a number of participants
	lower5 := " 01 11*32 05 22*32 ac02 C1*48"
	for _, c := range []struct {
		name    string
		decode  func([]byte) (any, error)
		encoded string
		want    error
	}{
		{"node: option byte 2", decodeNode, "11*32 00 22*32 51*64 02", wire.ErrOption},
		{"node: option byte 255", decodeNode, chunk7 + " 51*64 ff 0F*32 01 " + aggregate, wire.ErrOption},
		{"node: parent at genesis", decodeNode, "11*32 00 22*32 51*64 01 0F*32 01 " + aggregate, wire.ErrParentAtGenesis},
		{"node: no parent above genesis", decodeNode, chunk7 + " 51*64 00", wire.ErrParentMissing},
		{"node: parent of an unknown epoch", decodeNode, chunk7 + " 51*64 01 0F*32 02 " + aggregate, wire.ErrUnknownEpoch},
		{"node: certificate cut off", decodeNode, chunk7 + " 51*64 01 0F*32 01 " + signers10 + " C0*47", wire.ErrTruncated},
		{"parent: unknown epoch", decodeParent, "0F*32 02 " + aggregate, wire.ErrUnknownEpoch},
		{"parent: epoch overlong", decodeParent, "0F*32 8100 " + aggregate, wire.ErrVarint},
		{"lock: unknown epoch", decodeLock, chunk7 + " 02 " + aggregate, wire.ErrUnknownEpoch},
		{"lock: epoch overlong", decodeLock, chunk7 + " 8100 " + aggregate, wire.ErrVarint},

		{"ack: unknown epoch", decodeAck, chunk7 + " 02 04 A1*48", wire.ErrUnknownEpoch},
		{"ack: signature a byte short", decodeAck, chunk7 + " 01 04 A1*47", wire.ErrSignatureSize},
		{"ack: signature a byte long", decodeAck, chunk7 + " 01 04 A1*49", wire.ErrSignatureSize},
		{"ack: no signature", decodeAck, chunk7 + " 01 04", wire.ErrSignatureSize},
		{"ack: height overlong", decodeAck, "11*32 8700 22*32 01 04 A1*48", wire.ErrVarint},
		{"ack: participant past 32 bits", decodeAck, chunk7 + " 01 ffffffff10 A1*48", wire.ErrVarint},

		{"multisig: bitmap over one participant too many", decodeLock,
			chunk7 + " 01 000000000000000b 0502 C0*48", wire.ErrTooManySigners},
		{"multisig: bitmap over 2^64−1 participants", decodeLock, chunk7 + " 01 " + huge + " 0502 C0*48", wire.ErrTooManySigners},
		{"multisig: bitmap over 2^63 participants", decodeLock, chunk7 + " 01 80 00*7 0502 C0*48", wire.ErrTooManySigners},
		{"multisig: stray bit right behind the last", decodeLock, chunk7 + " 01 000000000000000a 0504 C0*48", wire.ErrStrayBits},
		{"multisig: stray bit at the end of the byte", decodeLock, chunk7 + " 01 000000000000000a 0580 C0*48", wire.ErrStrayBits},
		{"multisig: stray bit in a shorter bitmap", decodeLock, chunk7 + " 01 0000000000000001 03 C0*48", wire.ErrStrayBits},
		{"multisig: nobody signed", decodeLock, chunk7 + " 01 000000000000000a 0000 C0*48", wire.ErrNoSigners},
		{"multisig: bitmap over nobody", decodeLock, chunk7 + " 01 0000000000000000 C0*48", wire.ErrNoSigners},
		{"multisig: bitmap cut off", decodeLock, chunk7 + " 01 000000000000000a 05", wire.ErrTruncated},

		{"ed25519: nobody signed", decodeLock, chunk7 + " " + epochMax + " 0000000000000003 00 00", wire.ErrNoSigners},
		{"ed25519: one signature fewer than bits", decodeLock, chunk7 + " " + epochMax + " " + signers3 + " 01 01*64", wire.ErrSignerCount},
		{"ed25519: one signature more than bits", decodeLock, chunk7 + " " + epochMax + " " + signers3 + " 03 01*192", wire.ErrSignerCount},
		{"ed25519: no signature", decodeLock, chunk7 + " " + epochMax + " " + signers3 + " 00", wire.ErrSignerCount},
		{"ed25519: 2^32−1 signatures", decodeLock, chunk7 + " " + epochMax + " " + signers3 + " ffffffff0f 01*128", wire.ErrSignerCount},
		{"ed25519: count overlong", decodeLock, chunk7 + " " + epochMax + " " + signers3 + " 8200 01*128", wire.ErrVarint},
		{"ed25519: list cut off", decodeLock, chunk7 + " " + epochMax + " " + signers3 + " 02 01*127", wire.ErrTruncated},

		{"activity: nothing", decodeActivity, "", wire.ErrTruncated},
		{"activity: tag 2", decodeActivity, "02 " + chunk7 + " 51*64", wire.ErrTag},
		{"activity: tag 15", decodeActivity, "0f " + chunk7 + " 51*64", wire.ErrTag},
		{"activity: tag 24", decodeActivity, "18 99*32 00", wire.ErrTag},
		{"fork: option byte 2", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 02 01 " + encoded6, wire.ErrOption},
		{"fork: one lock and no header", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 00", wire.ErrHeaderCount},
		{"fork: a header too few", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + lower5 + " 01 " + encoded7, wire.ErrHeaderCount},
		{"fork: a header too many", decodeActivity,
			"16 " + chunk7 + " 01 " + aggregate + lower5 + " 03 " + encoded7 + encoded7 + encoded7, wire.ErrHeaderCount},
		{"fork: 1,025 headers", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 8108" + strings.Repeat(" "+encoded6, 1025), wire.ErrHeaderCount},
		{"fork: as many headers as 32 bits count", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 ffffffff0f " + encoded6, wire.ErrHeaderCount},
		{"fork: number of headers overlong", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 8100 " + encoded6, wire.ErrVarint},
		{"fork: 1,024 headers are claimed, and there is one", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 8008 " + encoded6, wire.ErrTruncated},
		{"fork: a header of another format", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 01 02 11*32 06 55*32 00 88*32", wire.ErrTag},
		{"fork: a header's height overlong", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 00 01 01 11*32 8600 55*32 00 88*32", wire.ErrVarint},
		{"fork: of another lane", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 01 12*32 05 22*32 ac02 C1*48 00", wire.ErrNoConflict},
		{"fork: at one height", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 01 11*32 07 33*32 ac02 C1*48 00", wire.ErrNoConflict},
		{"fork: the lower one is above", decodeActivity, "16 " + chunk7 + " 01 " + aggregate + " 01 11*32 08 33*32 ac02 C1*48 00", wire.ErrNoConflict},
		{"conflict: option byte 2", decodeActivity, "10 " + chunk7 + " 51*64 02 11*32 07 33*32 52*64", wire.ErrOption},
		{"conflict: same payload", decodeActivity, "10 " + chunk7 + " 51*64 00 " + chunk7 + " 52*64", wire.ErrNoConflict},
		{"conflict: other height", decodeActivity, "10 " + chunk7 + " 51*64 00 11*32 08 33*32 52*64", wire.ErrNoConflict},
		{"conflict: other sequencer", decodeActivity, "10 " + chunk7 + " 51*64 00 12*32 07 33*32 52*64", wire.ErrNoConflict},
		{"conflict: lock of the same payload", decodeActivity, "10 " + chunk7 + " 51*64 01 " + chunk7 + " ac02 C1*48", wire.ErrNoConflict},
		{"conflict: lock at another height", decodeActivity, "10 " + chunk7 + " 51*64 01 11*32 06 33*32 ac02 C1*48", wire.ErrNoConflict},
		{"conflict: lock of an unknown epoch", decodeActivity, "10 " + chunk7 + " 51*64 01 11*32 07 33*32 02 C1*48", wire.ErrUnknownEpoch},
		{"lock conflict: same payload", decodeActivity,
			"11 " + chunk7 + " 01 " + aggregate + " " + chunk7 + " ac02 C1*48", wire.ErrNoConflict},
		{"lock conflict: other height", decodeActivity,
			"11 " + chunk7 + " 01 " + aggregate + " 11*32 08 33*32 ac02 C1*48", wire.ErrNoConflict},
		{"conflicting acks: same payload", decodeActivity,
			"12 " + chunk7 + " 01 04 A1*48 " + chunk7 + " 01 04 A2*48", wire.ErrNoConflict},
		{"conflicting acks: other participant", decodeActivity,
			"12 " + chunk7 + " 01 04 A1*48 11*32 07 33*32 01 05 A2*48", wire.ErrNoConflict},
		{"conflicting acks: other epoch", decodeActivity,
			"12 " + chunk7 + " 01 04 A1*48 11*32 07 33*32 ac02 04 A2*48", wire.ErrNoConflict},
		{"conflicting acks: other height", decodeActivity,
			"12 " + chunk7 + " 01 04 A1*48 11*32 08 33*32 01 04 A2*48", wire.ErrNoConflict},
		{"conflicting acks: unknown epoch", decodeActivity,
			"12 " + chunk7 + " 02 04 A1*48 11*32 07 33*32 02 04 A2*48", wire.ErrUnknownEpoch},
		{"invalid ack: length past the end", decodeActivity, "13 99*32 04 010203", wire.ErrTruncated},
		{"invalid ack: length 2^32−1", decodeActivity, "13 99*32 ffffffff0f 010203", wire.ErrTruncated},
		{"invalid ack: length overlong", decodeActivity, "13 99*32 8300 010203", wire.ErrVarint},
		{"invalid ack: length past 32 bits", decodeActivity, "13 99*32 ffffffff1f 010203", wire.ErrVarint},
		{"inconsistent keys: unknown epoch", decodeActivity, "17 " + chunk7 + " 02 " + signers10, wire.ErrUnknownEpoch},
		{"inconsistent keys: bitmap over one participant too many", decodeActivity, "17 " + chunk7 + " 01 000000000000000b 0502", wire.ErrTooManySigners},
		{"inconsistent keys: nobody signed", decodeActivity, "17 " + chunk7 + " 01 000000000000000a 0000", wire.ErrNoSigners},
		{"inconsistent keys: something follows", decodeActivity, "17 " + chunk7 + " 01 " + signers10 + " 00", wire.ErrTrailing},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.decode(unhex(t, c.encoded))
			mustFail(t, err, c.want)
		})
	}
}

func TestTheFirstErrorOfAMessageIsTheOneReported(t *testing.T) {
	// The height is overlong, and then the message is too short as well.
	_, err := decodeNode(unhex(t, "11*32 8000"))
	mustFail(t, err, wire.ErrVarint)
	var d *wire.DecodeError
	if errors.As(err, &d); d.Field != "height" {
		t.Errorf("error names %q, want the height", d.Field)
	}
}

func TestARefusedMessageLeavesNoView(t *testing.T) {
	a := wire.Ack{Signature: []byte("of another message")}
	if err := a.Decode(unhex(t, chunk7+" 8100 04 A1*48")); err == nil || len(a.Signature) != 0 {
		t.Errorf("ack: %v, signature %x", err, a.Signature)
	}
	l := wire.Lock{Certificate: []byte("of another message")}
	if err := l.Decode(unhex(t, chunk7+" 8100 "+aggregate), goldenFormats); err == nil || len(l.Certificate) != 0 {
		t.Errorf("lock: %v, certificate %x", err, l.Certificate)
	}
}

func TestARefusedActivityIsNil(t *testing.T) {
	a, err := wire.DecodeActivity(unhex(t, "00 "+chunk7+" 51*63"), goldenFormats)
	if a != nil || err == nil {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestAnAckIsDecodedBeforeItsEpochIsLookedUp(t *testing.T) {
	var a wire.Ack
	if err := a.Decode(unhex(t, chunk7+" 63 04 A1*5")); err != nil {
		t.Fatalf("without its format, an ack's signature may have any length: %v", err)
	}
	if a.Epoch != 0x63 || len(a.Signature) != 5 {
		t.Errorf("decoded %+v", a)
	}
	mustFail(t, a.CheckSize(multisig(4)), wire.ErrSignatureSize)
	uncompressed := wire.Format{Kind: wire.SignersAndAggregate, Participants: 4, Signature: g1, AckSignature: 2 * g1}
	a.Signature = filled(2*g1, 1)
	if err := a.CheckSize(uncompressed); err != nil {
		t.Error(err)
	}
	mustFail(t, a.CheckSize(multisig(4)), wire.ErrSignatureSize)
}

func TestStoredRecordsDecodeWithoutTheirEpoch(t *testing.T) {
	node := unhex(t, chunk7+" 51*64 01 0F*32 63 "+aggregate)
	var n wire.Node
	if err := n.DecodeStored(node); err != nil {
		t.Fatal(err)
	}
	if n.Parent.Epoch != 0x63 || string(n.Parent.Certificate) != string(unhex(t, aggregate)) {
		t.Errorf("decoded parent %+v", n.Parent)
	}
	if string(n.AppendTo(nil)) != string(node) {
		t.Error("a stored node re-encodes otherwise")
	}
	mustFail(t, n.DecodeStored(unhex(t, "11*32 00 22*32 51*64 00 00")), wire.ErrTrailing)
	mustFail(t, n.DecodeStored(unhex(t, chunk7+" 51*64 01 0F*32")), wire.ErrTruncated)
	mustFail(t, n.DecodeStored(unhex(t, chunk7+" 51*64 00")), wire.ErrParentMissing)

	lock := unhex(t, chunk7+" 63 "+aggregate)
	var l wire.Lock
	if err := l.DecodeStored(lock); err != nil {
		t.Fatal(err)
	}
	if string(l.AppendTo(nil)) != string(lock) {
		t.Error("a stored lock re-encodes otherwise")
	}
	mustFail(t, l.DecodeStored(unhex(t, chunk7+" 80")), wire.ErrTruncated)
}

func TestAnInvalidFormatRefusesAllCertificates(t *testing.T) {
	b := unhex(t, aggregate)
	for name, f := range map[string]wire.Format{
		"no kind":               {Participants: 10, Signature: g1},
		"negative participants": {Kind: wire.SignersAndAggregate, Participants: -1, Signature: g1},
		"negative signature":    {Kind: wire.SignersAndAggregate, Participants: 10, Signature: -1},
		"negative list":         {Kind: wire.SignersAndList, Participants: -8, Signature: ed},
		"negative single":       {Kind: wire.SingleSignature, Signature: -g1},
		"boundless":             {Kind: wire.SignersAndAggregate, Participants: math.MaxInt, Signature: math.MaxInt},
	} {
		if s, sigs, err := f.SplitCertificate(b); err == nil || s.Len() != 0 || sigs != nil {
			t.Errorf("%s: got %v, %x, %v", name, s, sigs, err)
		}
	}
	boundless := wire.Format{Kind: wire.SignersAndAggregate, Participants: math.MaxInt, Signature: g1}
	b = append(binary.BigEndian.AppendUint64(nil, math.MaxInt), unhex(t, "0502 C0*48")...)
	_, _, err := boundless.SplitCertificate(b)
	mustFail(t, err, wire.ErrTruncated)
}

func TestTagsHaveNames(t *testing.T) {
	for tag, name := range map[wire.Tag]string{
		wire.TagTip: "tip", wire.TagLock: "lock", wire.TagConflict: "conflict", wire.TagLockConflict: "lock-conflict",
		wire.TagConflictingAcks: "conflicting-acks", wire.TagInvalidAck: "invalid-ack",
		wire.TagInvalidNode: "invalid-node", wire.TagInvalidCertificate: "invalid-certificate",
		wire.TagFork: "fork", wire.TagInconsistentKeys: "inconsistent-keys", 0x18: "unknown", 0x02: "unknown", 0xFF: "unknown",
	} {
		if tag.String() != name {
			t.Errorf("tag %#x is named %q, want %q", byte(tag), tag, name)
		}
	}
}
