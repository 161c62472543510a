package network

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"io"
	"testing"
)

// rawPeer is a peer that sends arbitrary bytes.
type rawPeer struct {
	w   *world
	key ed25519.PrivateKey
	tls *tls.Conn
}

// dialRaw makes the TLS handshake with process i.
func dialRaw(t testing.TB, w *world, key ed25519.PrivateKey, i int) *rawPeer {
	t.Helper()
	r := tryRaw(t, w, key, i)
	if r == nil {
		t.Fatal("the handshake failed")
	}
	return r
}

// tryRaw is like dialRaw, but returns nil if the process closes the connection.
func tryRaw(t testing.TB, w *world, key ed25519.PrivateKey, i int) *rawPeer {
	t.Helper()
	raw, err := w.net.DialFrom("raw:1")(context.Background(), w.address(i))
	if err != nil {
		t.Fatal(err)
	}
	config, err := newTLSConfig(key)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, config)
	if err := c.Handshake(); err != nil {
		raw.Close()
		return nil
	}
	return &rawPeer{w: w, key: key, tls: c}
}

// frameOf returns a whole frame.
func frameOf(t Type, message []byte) []byte {
	return append(appendHead(nil, t, Plain, 0, len(message)), message...)
}

// numbered returns a whole frame of a request or an answer.
func numbered(t Type, number uint64, message []byte) []byte {
	return append(appendHead(nil, t, Request, number, len(message)), message...)
}

// goodHello returns a valid hello of a process of the world.
func goodHello() hello {
	s := Settings{Namespace: []byte("test")}
	h := s.hello()
	h.instance, h.dial = [16]byte{7}, 1
	return h
}

// hello sends a hello, modified by change, and reads the answer.
func (r *rawPeer) hello(t testing.TB, change func(*hello)) {
	t.Helper()
	h := goodHello()
	if change != nil {
		change(&h)
	}
	r.send(t, frameOf(typeHello, h.appendTo(nil)))
	if typ, _ := r.frame(t); typ != typeHello {
		t.Fatalf("a hello was answered by type %#x", typ)
	}
}

func (r *rawPeer) send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := r.tls.Write(b); err != nil {
		t.Fatal(err)
	}
}

// frame reads the next frame, in the simplest way.
func (r *rawPeer) frame(t testing.TB) (Type, []byte) {
	t.Helper()
	typ, body, err := r.tryFrame()
	if err != nil {
		t.Fatal(err)
	}
	return typ, body
}

func (r *rawPeer) tryFrame() (Type, []byte, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r.tls, head[:]); err != nil {
		return 0, nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-1)
	_, err := io.ReadFull(r.tls, body)
	return Type(head[4]), body, err
}

// goodbye reads until a goodbye, and returns it, or nil if the connection ends without one.
func (r *rawPeer) goodbye() *goodbyeError {
	for {
		typ, body, err := r.tryFrame()
		if err != nil {
			return nil
		}
		if typ == typeGoodbye {
			e, _ := decodeGoodbye(body)
			return e
		}
	}
}

// answerPings answers pings until the connection ends.
func (r *rawPeer) answerPings() {
	for {
		typ, body, err := r.tryFrame()
		if err != nil {
			return
		}
		if typ == typePing {
			if _, err := r.tls.Write(frameOf(typePong, append(body, body...))); err != nil {
				return
			}
		}
	}
}
