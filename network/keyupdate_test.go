package network

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recordSealer makes TLS 1.3 records (RFC 8446 5.2) of a client that crypto/tls cannot make.
type recordSealer struct {
	aead cipher.AEAD
	iv   []byte
	next uint64 // sequence number
}

func newRecordSealer(t *testing.T, secret []byte) *recordSealer {
	t.Helper()
	expand := func(label string, n int) []byte {
		label = "tls13 " + label
		info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
		key, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &recordSealer{aead: aead, iv: expand("iv", 12)}
}

func (s *recordSealer) seal(contentType byte, content []byte) []byte {
	inner := append(slices.Clone(content), contentType)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+s.aead.Overhead()))
	nonce := slices.Clone(s.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, s.next) {
		nonce[4+i] ^= b
	}
	s.next++
	return s.aead.Seal(head, nonce, inner, head)
}

// crypto/tls handles a KeyUpdate while it looks for data, and its caller does not notice.
func TestAMessageBeforeAKeyUpdateDoesNotWaitForTheNextRecord(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		raw, err := w.net.DialFrom("raw:1")(t.Context(), w.address(0))
		if err != nil {
			t.Fatal(err)
		}
		config, err := newTLSConfig(w.keys[1])
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		config.KeyLogWriter = &log
		c := tls.Client(raw, config)
		h := goodHello()
		if _, err := c.Write(frameOf(typeHello, h.appendTo(nil))); err != nil {
			t.Fatal(err)
		}
		if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
			t.Skipf("the cipher suite is %s here", tls.CipherSuiteName(suite))
		}
		_, line, _ := strings.Cut(log.String(), "CLIENT_TRAFFIC_SECRET_0 ")
		fields := strings.Fields(line) // the client's random bytes, and the secret
		if len(fields) < 2 {
			t.Fatal("no secret was logged")
		}
		secret, err := hex.DecodeString(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		s := newRecordSealer(t, secret)
		s.next = 1 // after the hello
		keyUpdate := []byte{24, 0, 0, 1, 0}
		records := append(s.seal(23, frameOf(typeAck, []byte("before"))), s.seal(22, keyUpdate)...)
		if _, err := raw.Write(records); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := a.from(w.id(1)); !slices.Equal(got, []string{"before"}) {
			t.Errorf("handed over: %q", got)
		}
		if len(a.connected()) != 1 { // the end of the connection would have delivered it too
			t.Errorf("the connection ended: %v", a.reason(w.id(1)))
		}
		raw.Close()
		a.stop(t)
	})
}
