package network

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lanecast/lanecast/wire"
)

// Settings are the settings that the processes of a network should have in common (docs/protocol.md
// 1). A difference in the first four ends the connection; a difference in the others is logged and
// counted.
type Settings struct {
	Namespace        []byte
	UncompressedAcks bool
	PayloadFormat    uint32
	MaxPayload       uint64 // 0 in payload format 0

	AcksToSequencer bool
	Version         string // of the software, at most 64 bytes
	// Epochs returns the newest epochs that this process knows, with the digests of their validator
	// sets, newest first, each once; only the first 8 count. It is called for every connection. The
	// list is cut before an entry that is not older than the one before it, and that is logged
	// once. nil: none.
	Epochs func() []Epoch
}

// Epoch is the number of an epoch and the digest of its validator set, as in docs/protocol.md 1;
// the schemes of package verify return that digest.
type Epoch struct {
	Number uint64
	Digest [32]byte
}

// KeyProof is an identity's signature for a transport key, for processes whose identity key is kept
// elsewhere.
type KeyProof struct {
	Identity  wire.PublicKey
	NotAfter  time.Time // in whole seconds since 1970, at most 2^40
	Signature wire.Signature
}

// TransportMessage returns the bytes that an identity signs for a transport key (docs/protocol.md
// 8): union_unique(namespace‖"_TRANSPORT", key ‖ varint not-after).
func TransportMessage(namespace []byte, key wire.PublicKey, notAfter time.Time) []byte {
	b := append(wire.AppendNamespace(nil, namespace, "_TRANSPORT"), key[:]...)
	return wire.AppendUvarint(b, uint64(max(0, notAfter.Unix())))
}

func (p *KeyProof) valid(namespace []byte, key wire.PublicKey, now time.Time) bool {
	return now.Before(p.NotAfter) && !hasSmallOrder(p.Identity) &&
		ed25519.Verify(p.Identity[:], TransportMessage(namespace, key, p.NotAfter), p.Signature[:])
}

func publicKey(k crypto.Signer) wire.PublicKey {
	return wire.PublicKey(k.Public().(ed25519.PublicKey))
}

const (
	protocolVersion = 1
	maxVersionText  = 64
	maxHelloEpochs  = 8
	maxReason       = 128
)

func (s *Settings) validate(c *checker) {
	if len(s.Namespace) == 0 {
		c.fail("Settings.Namespace", "at least one byte", "none")
	}
	if len(s.Version) > maxVersionText || !utf8.ValidString(s.Version) {
		c.fail("Settings.Version", fmt.Sprintf("at most %d bytes of UTF-8", maxVersionText), s.Version)
	}
	if s.PayloadFormat == 0 && s.MaxPayload != 0 {
		c.fail("Settings.MaxPayload", "0 in payload format 0", s.MaxPayload)
	}
}

// hello is the first message on a connection.
type hello struct {
	lowest, highest  uint32
	features         uint64
	class            Class
	instance         [16]byte
	dial             uint64
	namespace        [32]byte
	uncompressedAcks bool
	payloadFormat    uint32
	maxPayload       uint64
	acksToSequencer  bool
	version          string
	epochs           []Epoch
	proof            *KeyProof
}

// validate checks the proof except its signature. Peers would read a time with a fraction as
// another time, and refuse a hello whose time is out of range.
func (p *KeyProof) validate(c *checker) {
	switch at := p.NotAfter; {
	case at.Nanosecond() != 0:
		c.fail("Proof.NotAfter", "in whole seconds", at)
	case at.Unix() < 0 || at.Unix() > maxNotAfter:
		c.fail("Proof.NotAfter", fmt.Sprintf("0 to %d seconds after 1970", int64(maxNotAfter)), at.Unix())
	}
}

// hello returns our hello without the fields that differ between connections.
func (n *Network) hello() hello {
	s := &n.cfg.Settings
	h := s.hello()
	h.instance, h.proof = n.instance, n.cfg.Proof
	for i := range h.epochs {
		if i > 0 && h.epochs[i].Number >= h.epochs[i-1].Number {
			h.epochs = h.epochs[:i]
			if !n.misordered.Swap(true) {
				n.log.Error("Settings.Epochs must return epochs newest first, each once: those after are left out", "epoch", h.epochs[i-1].Number)
			}
			break
		}
	}
	return h
}

func (s *Settings) hello() hello {
	h := hello{
		lowest: protocolVersion, highest: protocolVersion,
		namespace:        sha256.Sum256(s.Namespace),
		uncompressedAcks: s.UncompressedAcks,
		payloadFormat:    s.PayloadFormat,
		maxPayload:       s.MaxPayload,
		acksToSequencer:  s.AcksToSequencer,
		version:          s.Version,
	}
	if s.Epochs != nil {
		h.epochs = s.Epochs()
		h.epochs = h.epochs[:min(len(h.epochs), maxHelloEpochs)]
	}
	return h
}

func (h *hello) appendTo(b []byte) []byte {
	b = wire.AppendUvarint(b, uint64(h.lowest))
	b = wire.AppendUvarint(b, uint64(h.highest))
	b = wire.AppendUvarint(b, h.features)
	b = append(b, byte(h.class))
	b = append(b, h.instance[:]...)
	b = wire.AppendUvarint(b, h.dial)
	b = append(b, h.namespace[:]...)
	b = append(b, option(h.uncompressedAcks))
	b = wire.AppendUvarint(b, uint64(h.payloadFormat))
	b = wire.AppendUvarint(b, h.maxPayload)
	b = append(b, option(h.acksToSequencer))
	b = wire.AppendUvarint(b, uint64(len(h.version)))
	b = append(b, h.version...)
	b = wire.AppendUvarint(b, uint64(len(h.epochs)))
	for i := range h.epochs {
		b = wire.AppendUvarint(b, h.epochs[i].Number)
		b = append(b, h.epochs[i].Digest[:]...)
	}
	b = append(b, option(h.proof != nil))
	if p := h.proof; p != nil {
		b = append(b, p.Identity[:]...)
		b = wire.AppendUvarint(b, uint64(p.NotAfter.Unix()))
		b = append(b, p.Signature[:]...)
	}
	return b
}

func option(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}

// errDecode is the error for bytes that are no message of the transport's own types.
var errDecode = errors.New("network: malformed message")

// maxNotAfter keeps a time in seconds within the range of time.Time and its comparisons.
const maxNotAfter = 1 << 40

func decodeHello(b []byte) (h hello, err error) {
	r := reader{b: b}
	h.lowest = uint32(r.uvarint(1<<32 - 1))
	h.highest = uint32(r.uvarint(1<<32 - 1))
	h.features = r.uvarint(1<<64 - 1)
	class := r.byte()
	copy(h.instance[:], r.take(16))
	h.dial = r.uvarint(1<<64 - 1)
	copy(h.namespace[:], r.take(32))
	h.uncompressedAcks = r.option()
	h.payloadFormat = uint32(r.uvarint(1<<32 - 1))
	h.maxPayload = r.uvarint(1<<64 - 1)
	h.acksToSequencer = r.option()
	h.version = string(r.take(int(r.uvarint(maxVersionText))))
	for range r.uvarint(maxHelloEpochs) {
		e := Epoch{Number: r.uvarint(1<<64 - 1)}
		copy(e.Digest[:], r.take(32))
		if n := len(h.epochs); n > 0 && e.Number >= h.epochs[n-1].Number {
			r.failed = true
		}
		h.epochs = append(h.epochs, e)
	}
	if r.option() {
		h.proof = new(KeyProof)
		copy(h.proof.Identity[:], r.take(32))
		h.proof.NotAfter = time.Unix(int64(r.uvarint(maxNotAfter)), 0)
		copy(h.proof.Signature[:], r.take(64))
	}
	h.class = Class(class)
	switch {
	case r.failed, len(r.b) > 0 && h.highest <= protocolVersion,
		class >= classes, h.lowest < 1, h.highest < h.lowest, !utf8.ValidString(h.version):
		return hello{}, errDecode
	}
	return h, nil
}

// difference returns the name of the first hard setting in which two processes differ, "" if none.
func (h *hello) difference(of *hello) string {
	switch {
	case h.namespace != of.namespace:
		return "namespace"
	case h.uncompressedAcks != of.uncompressedAcks:
		return "acks"
	case h.payloadFormat != of.payloadFormat:
		return "payload format"
	case h.maxPayload != of.maxPayload:
		return "max payload"
	}
	return ""
}

// The soft settings, in the order of the bits that softDifferences returns.
var softSettings = []string{"acks to", "version", "validators"}

// softDifferences returns a bit for each soft setting in which two processes differ.
func (h *hello) softDifferences(of *hello) (bits uint8) {
	if h.acksToSequencer != of.acksToSequencer {
		bits |= 1
	}
	if h.version != of.version {
		bits |= 2
	}
	for _, ours := range h.epochs { // newest first: the first epoch that both name decides
		for _, theirs := range of.epochs {
			if ours.Number == theirs.Number {
				if ours.Digest != theirs.Digest {
					bits |= 4
				}
				return bits
			}
		}
	}
	return bits
}

// reader reads the transport's own messages. After a failure every value that it reads is zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || n > len(r.b) {
		r.failed, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) option() bool {
	v := r.byte()
	r.failed = r.failed || v > 1
	return v == 1
}

// uvarint reads a canonical varint of at most most.
func (r *reader) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 || v > most {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// goodbyeCode is the code of a goodbye: docs/protocol.md 8.2.
type goodbyeCode uint8

const (
	byeDuplicate goodbyeCode = iota + 1
	byeSettings
	byeRefused
	byeBusy
	byeShutdown
	byeProtocol
	byeStaleJournal
)

func (c goodbyeCode) String() string {
	switch c {
	case byeDuplicate:
		return "duplicate"
	case byeSettings:
		return "settings"
	case byeRefused:
		return "refused"
	case byeBusy:
		return "busy"
	case byeShutdown:
		return "shutdown"
	case byeProtocol:
		return "protocol"
	case byeStaleJournal:
		return "stale journal"
	}
	return "unknown"
}

// goodbyeError is the reason for which one of the sides ended a connection.
type goodbyeError struct {
	code   goodbyeCode
	reason string
	theirs bool // the peer sent the goodbye
}

func (e *goodbyeError) Error() string {
	who := "we ended it"
	if e.theirs {
		who = "the peer ended it"
	}
	if e.reason == "" {
		return fmt.Sprintf("network: %s: %s", who, e.code)
	}
	return fmt.Sprintf("network: %s: %s (%q)", who, e.code, e.reason)
}

func (e *goodbyeError) appendTo(b []byte) []byte {
	reason := strings.ToValidUTF8(e.reason, "?")
	if len(reason) > maxReason { // not in the middle of a character
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	b = append(b, byte(e.code))
	b = wire.AppendUvarint(b, uint64(len(reason)))
	return append(b, reason...)
}

func decodeGoodbye(b []byte) (*goodbyeError, error) {
	r := reader{b: b}
	e := &goodbyeError{code: goodbyeCode(r.byte()), theirs: true}
	e.reason = string(r.take(int(r.uvarint(maxReason))))
	if r.failed || len(r.b) > 0 || e.code == 0 || !utf8.ValidString(e.reason) {
		return nil, errDecode
	}
	return e, nil
}
