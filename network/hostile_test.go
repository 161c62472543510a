package network

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/wire"
)

// checkServes checks that two processes can still exchange messages.
func checkServes(t *testing.T, a, b *process) {
	t.Helper()
	mark := fmt.Sprint(mathrand.Int())
	a.n.Send([]wire.PublicKey{b.id}, typeAck, []byte(mark))
	after(time.Second)
	if got := b.from(a.id); len(got) == 0 || got[len(got)-1] != mark {
		t.Error("honest peers do not hear each other any more")
	}
}

func TestGarbageBeforeTheHandshakeCostsNothingButTheConnection(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		random := mathrand.New(mathrand.NewPCG(1, 1))
		for i := range 200 {
			raw, err := w.net.DialFrom("raw:1")(t.Context(), w.address(0))
			if err != nil {
				t.Fatal(err)
			}
			garbage := make([]byte, random.IntN(20000))
			for j := range garbage {
				garbage[j] = byte(random.Uint32())
			}
			if i%2 == 0 && len(garbage) > 5 { // looks like a record of a handshake
				copy(garbage, []byte{22, 3, 1, byte(random.IntN(80)), byte(random.Uint32())})
			}
			_, _ = raw.Write(garbage)
			time.Sleep(100 * time.Millisecond)
			raw.Close()
		}
		after(6 * time.Second)
		checkServes(t, a, b)
		stopAll(t, a, b)
		if w.net.Open() != 0 {
			t.Errorf("%d connections are open", w.net.Open())
		}
	})
}

func TestConnectionsThatSayNothingAreClosedInTimeAndLeaveRoomForOthers(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		for range 100 {
			if _, err := w.net.DialFrom("raw:1")(t.Context(), w.address(0)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if full := a.n.counts.fails[failFull].Load(); full != 100-16 {
			t.Errorf("%d of 100 connections of one address were refused", full)
		}
		b := w.start(1, nil) // from another address
		after(time.Second)
		checkServes(t, a, b)
		after(5 * time.Second)
		if timeouts := a.n.counts.fails[failTimeout].Load(); timeouts != 16 {
			t.Errorf("%d were given up", timeouts)
		}
		stopAll(t, a, b)
		w.net.Break()
	})
}

func TestAHandshakeWithoutAHelloIsGivenUpInTimeByBothSides(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		l := w.net.Listen(w.address(1)) // accepts, makes the handshake, and sends nothing
		w.config = controlOnly
		a := w.start(0, nil)
		config, err := newTLSConfig(w.keys[1])
		if err != nil {
			t.Fatal(err)
		}
		mute, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		server := tls.Server(mute, config)
		began := time.Now()
		if err := server.Handshake(); err != nil {
			t.Fatal(err)
		}
		raw := dialRaw(t, w, w.keys[1], 0)
		for name, c := range map[string]*tls.Conn{"dialled": server, "accepted": raw.tls} {
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("the connection that it %s ended with %v", name, err)
			}
			if took := time.Since(began); took < 4*time.Second || took > 6*time.Second {
				t.Errorf("the connection that it %s ended after %v", name, took)
			}
			c.NetConn().Close()
		}
		if len(a.history()) != 0 {
			t.Errorf("told %q", a.history())
		}
		l.Close()
		a.stop(t)
	})
}

// An unknown identity costs at most one handshake.
func TestThousandsOfAttemptsOfStrangersLeaveNothingBehind(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		members := []wire.PublicKey{w.id(0), w.id(1)}
		stranger := func(id wire.PublicKey) bool { return !slices.Contains(members, id) }
		a, b := w.start(0, &recorder{refuse: stranger}), w.start(1, nil)
		after(time.Second)
		attempts := times("LANECAST_ATTEMPTS", 300)
		for i := range attempts {
			raw := dialRaw(t, w, testKey(1000+i), 0)
			h := goodHello()
			h.instance = [16]byte{byte(i), byte(i >> 8)}
			raw.send(t, frameOf(typeHello, h.appendTo(nil)))
			if e := raw.goodbye(); e == nil || e.code != byeRefused {
				t.Fatalf("a stranger was told %v", e)
			}
			raw.tls.NetConn().Close()
		}
		after(time.Second)
		if refused := a.n.counts.fails[failRefused].Load(); refused != uint64(attempts) {
			t.Errorf("%d refused", refused)
		}
		a.peer(b.id, func(*peer) {
			if len(a.n.peers) != 1 || len(a.n.leaving) != 0 || len(a.n.conns) != 2 || len(a.history()) != 1 {
				t.Errorf("%d peers, %d leaving, %d connections, told %q", len(a.n.peers), len(a.n.leaving), len(a.n.conns), a.history())
			}
		})
		checkServes(t, a, b)
		stopAll(t, a, b)
	})
}

// tlsAttempt makes a TLS handshake with a changed configuration and returns how the connection
// ends.
func tlsAttempt(t *testing.T, w *world, key ed25519.PrivateKey, change func(*tls.Config)) error {
	t.Helper()
	raw, err := w.net.DialFrom("raw:1")(t.Context(), w.address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	config, err := newTLSConfig(key)
	if err != nil {
		t.Fatal(err)
	}
	config.VerifyConnection = nil
	change(config)
	c := tls.Client(raw, config)
	if err := c.Handshake(); err != nil {
		return err
	}
	if _, err := c.Write(frameOf(typeHello, new(hello).appendTo(nil))); err != nil {
		return err
	}
	_, _, err = (&rawPeer{tls: c}).tryFrame()
	return err
}

// TLS 1.3 only, ALPN lanecast/1, exactly one self-signed Ed25519 certificate. docs/protocol.md 8.
func TestOnlyTheProtocolsOwnHandshakesAreTaken(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*tls.Config){
			"TLS 1.2":          func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
			"another protocol": func(c *tls.Config) { c.NextProtos = []string{"h2"} },
			"no protocol":      func(c *tls.Config) { c.NextProtos = nil },
			"no certificate":   func(c *tls.Config) { c.Certificates = nil },
			"two certificates": func(c *tls.Config) {
				own := c.Certificates[0].Certificate
				c.Certificates[0].Certificate = [][]byte{own[0], own[0]}
			},
			"another kind of key": func(c *tls.Config) {
				c.Certificates = []tls.Certificate{{Certificate: [][]byte{ecCertificate(t, ec)}, PrivateKey: ec}}
			},
			"another's certificate": func(c *tls.Config) { c.Certificates[0].PrivateKey = testKey(77) },
		} {
			if err := tlsAttempt(t, w, w.keys[1], change); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		if err := tlsAttempt(t, w, w.keys[0], func(*tls.Config) {}); err == nil {
			t.Error("our own key was taken")
		}
		synctest.Wait()
		if len(a.history()) != 0 {
			t.Errorf("told %q", a.history())
		}
		a.stop(t)
		for range 2 {
			config, err := newTLSConfig(w.keys[0])
			if err != nil {
				t.Fatal(err)
			}
			if !config.SessionTicketsDisabled || config.ClientSessionCache != nil || !config.DynamicRecordSizingDisabled {
				t.Error("sessions could be resumed, or records are short")
			}
		}
	})
}

func TestEachDifferenceInHardSettingsEndsTheConnectionByName(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"namespace":      func(s *Settings) { s.Namespace = []byte("other") },
		"acks":           func(s *Settings) { s.UncompressedAcks = true },
		"payload format": func(s *Settings) { s.PayloadFormat = 1 },
		"max payload":    func(s *Settings) { s.PayloadFormat, s.MaxPayload = 1, 1<<20 },
	} {
		bubble(t, 2, func(t *testing.T, w *world) {
			var logs [2]bytes.Buffer
			w.config = func(i int, c *Config) {
				if name == "max payload" {
					c.Settings.PayloadFormat, c.Settings.MaxPayload = 1, 4<<20
				}
				if i == 1 {
					change(&c.Settings)
				}
				c.Logger = textLogger(&logs[i])
			}
			a, b := w.start(0, nil), w.start(1, nil)
			after(10 * time.Second)
			if len(a.history())+len(b.history()) != 0 {
				t.Errorf("%s: told %q and %q", name, a.history(), b.history())
			}
			for i, p := range []*process{a, b} {
				if n := p.n.counts.fails[failSettings].Load(); n == 0 || n > 20 {
					t.Errorf("%s: process %d counts %d", name, i, n)
				}
				p.stop(t)
				if !strings.Contains(logs[i].String(), name) {
					t.Errorf("%s: process %d logged %s", name, i, logs[i].String())
				}
			}
		})
	}
}

func TestDifferencesInSoftSettingsAreLoggedOnceAndCounted(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.config = func(i int, c *Config) {
			controlOnly(i, c)
			c.Settings.Version = fmt.Sprint("version ", i)
			c.Settings.AcksToSequencer = i == 1
			c.Settings.Epochs = func() []Epoch {
				// The newest epoch that both know is 4.
				return []Epoch{{Number: uint64(5 + i), Digest: [32]byte{9}}, {Number: 4, Digest: [32]byte{byte(i)}}}
			}
			if i == 0 {
				c.Logger = textLogger(&log)
			}
		}
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		w.net.Break()
		after(20 * time.Second)
		if len(a.connected()) != 1 {
			t.Error("not connected")
		}
		stopAll(t, a, b)
		for i, name := range softSettings {
			if n := a.n.counts.differences[i].Load(); n != 2 {
				t.Errorf("%s: counted %d times", name, n)
			}
			if n := strings.Count(log.String(), fmt.Sprintf("setting=%q", name)) + strings.Count(log.String(), "setting="+name+"\n"); n != 1 {
				t.Errorf("%s: logged %d times in\n%s", name, n, log.String())
			}
		}
	})
}

func TestAnotherIdentityAtAnAddressIsNotTakenForTheOneThatWasDialled(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		w.addresses[w.id(1)] = w.address(2)
		delete(w.addresses, w.id(2))
		w.config = func(i int, c *Config) {
			if i > 0 {
				c.Addresses = nil
			}
		}
		a, c := w.start(0, nil), w.start(2, nil)
		after(10 * time.Second)
		if len(a.history()) != 0 || a.n.counts.fails[failIdentity].Load() == 0 {
			t.Errorf("told %q", a.history())
		}
		stopAll(t, a, c)
	})
}

func TestAHelloThatIsWrongEndsTheConnection(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		transport := testKey(55)
		expired := &KeyProof{Identity: w.id(1), NotAfter: time.Now().Add(-time.Second).Truncate(time.Second)}
		expired.Signature = wire.Signature(ed25519.Sign(w.keys[1], TransportMessage([]byte("test"), publicKey(transport), expired.NotAfter)))
		for name, c := range map[string]struct {
			change func(*hello)
			code   goodbyeCode
		}{
			"no common version": {func(h *hello) { h.lowest, h.highest = 2, 9 }, byeProtocol},
			"no dial number":    {func(h *hello) { h.dial = 0 }, byeProtocol},
			"somebody's proof":  {func(h *hello) { h.proof = &KeyProof{Identity: w.id(1), NotAfter: time.Now().Add(time.Hour)} }, byeRefused},
			"an expired proof":  {func(h *hello) { h.proof = expired }, byeRefused},
			"a proof of our own identity": {func(h *hello) {
				p := &KeyProof{Identity: w.id(0), NotAfter: time.Now().Add(time.Hour).Truncate(time.Second)}
				p.Signature = wire.Signature(ed25519.Sign(w.keys[0], TransportMessage([]byte("test"), publicKey(transport), p.NotAfter)))
				h.proof = p
			}, byeRefused},
		} {
			raw := dialRaw(t, w, transport, 0)
			h := goodHello()
			c.change(&h)
			raw.send(t, frameOf(typeHello, h.appendTo(nil)))
			if e := raw.goodbye(); e == nil || e.code != c.code {
				t.Errorf("%s: told %v", name, e)
			}
			raw.tls.NetConn().Close()
		}
		for name, first := range map[string][]byte{
			"a message first":    frameOf(typeNode, nil),
			"a ping first":       frameOf(typePing, make([]byte, 8)),
			"a hello too long":   frameOf(typeHello, make([]byte, helloLimit+1)),
			"a malformed hello":  frameOf(typeHello, make([]byte, 100)),
			"a length of 4 GiB":  {255, 255, 255, 255, 1},
			"a length of 0":      {0, 0, 0, 0, 1},
			"an unknown message": frameOf(0x0f, nil),
			"a bad goodbye":      frameOf(typeGoodbye, nil),
		} {
			raw := dialRaw(t, w, w.keys[1], 0)
			raw.send(t, first)
			if e := raw.goodbye(); e == nil || e.code != byeProtocol {
				t.Errorf("%s: told %v", name, e)
			}
			raw.tls.NetConn().Close()
		}
		if len(a.history()) != 0 {
			t.Errorf("told %q", a.history())
		}
		a.stop(t)
	})
}

// connectRaw connects a raw peer on the control connection.
func connectRaw(t *testing.T, w *world, instance byte) *rawPeer {
	t.Helper()
	raw := dialRaw(t, w, w.keys[1], 0)
	raw.hello(t, func(h *hello) { h.instance = [16]byte{instance} })
	return raw
}

// A length that is 0, too short for the number, or over the limit, a type on the wrong class, and
// an unknown type below 0x80 end the connection. docs/protocol.md 8.1.
func TestFramesOfEveryWrongLengthEndTheConnectionAndRightOnesArrive(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		length := func(n uint32, t Type) []byte { return append(binary.BigEndian.AppendUint32(nil, n), byte(t)) }
		var bad [][]byte
		for _, m := range testTypes {
			over := uint32(m.Limit + 2)
			bad = append(bad, length(0, m.Type), length(over, m.Type), length(1<<31, m.Type), length(1<<32-1, m.Type))
			if m.Class == Bulk {
				bad = append(bad, length(uint32(1+m.Limit), m.Type)) // on the control connection
			}
		}
		for n := range uint32(11) {
			if n != 9 {
				bad = append(bad, append(length(n, typePing), make([]byte, n)...))
			}
		}
		for typ := Type(0); typ < 0x80; typ++ {
			if !newTypeTable(testTypes)[typ].known {
				bad = append(bad, frameOf(typ, []byte("x")))
			}
		}
		bad = append(bad, length(skipLimit+2, 0x90), frameOf(typeHello, nil), frameOf(typePong, make([]byte, 15)), frameOf(typeGoodbye, []byte{0, 0}), length(8, typeUnanswered))
		for i, frame := range bad {
			raw := connectRaw(t, w, 1)
			raw.send(t, append(frameOf(typeAck, fmt.Append(nil, i)), frame...))
			if e := raw.goodbye(); e == nil || e.code != byeProtocol {
				t.Errorf("frame %x: told %v", frame, e)
			}
			raw.tls.NetConn().Close()
			synctest.Wait()
			if got := a.from(w.id(1)); len(got) != i+1 {
				t.Fatalf("frame %x: what came before it was lost", frame)
			}
		}
		raw := connectRaw(t, w, 1)
		raw.send(t, slices.Concat(frameOf(0x80, nil), frameOf(0xff, make([]byte, skipLimit)), frameOf(typeNode, make([]byte, 64<<10)), frameOf(typeAck, nil), numbered(typeUnanswered, 99, []byte{0})))
		synctest.Wait()
		if got := a.from(w.id(1)); len(got) != len(bad)+2 || len(got[len(bad)]) != 64<<10 || got[len(bad)+1] != "" {
			t.Errorf("%d messages came", len(got))
		}
		if a.n.counts.skipped.Load() != 2 || a.n.counts.late.Load() != 1 {
			t.Errorf("%d frames were skipped, %d answers were late", a.n.counts.skipped.Load(), a.n.counts.late.Load())
		}
		raw.tls.NetConn().Close()
		after(time.Second)
		a.stop(t)
	})
}

func TestAConnectionThatEndsInTheMiddleOfAFrameLeavesNoBuffer(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		poison.Switch(true)
		defer poison.Switch(false)
		before := poison.Owned()
		a := w.start(0, nil)
		after(time.Second)
		frames := slices.Concat(frameOf(typeNode, []byte("a node")), numbered(typeUnanswered, 3, []byte{1}), frameOf(0x80, []byte("skip")), frameOf(typeAck, []byte("an ack")))
		for cut := range frames {
			raw := connectRaw(t, w, 1)
			raw.send(t, frames[:cut])
			synctest.Wait()
			raw.tls.NetConn().Close()
			synctest.Wait()
		}
		after(time.Second)
		a.stop(t)
		if owned := poison.Owned(); owned != before {
			t.Errorf("%d buffers have an owner", owned-before)
		}
	})
}

func TestAMemberThatConnectsAgainAndAgainHasOneConnectionAndFewThatEnd(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		a, c := w.start(0, nil), w.start(2, nil)
		after(time.Second)
		var all []*rawPeer
		attempts := func(change func(i int, h *hello)) {
			said := 0
			for i := range 100 {
				if raw := tryRaw(t, w, w.keys[1], 0); raw != nil {
					h := goodHello()
					change(i, &h)
					_, _ = raw.tls.Write(frameOf(typeHello, h.appendTo(nil)))
					all = append(all, raw)
					said++
				}
				after(20 * time.Millisecond)
				if n := a.conns(w.id(1)); n > maxConns {
					t.Fatalf("%d connections of one peer", n)
				}
			}
			if said < 20 {
				t.Errorf("%d attempts got as far as their hello", said)
			}
		}
		attempts(func(i int, h *hello) { h.dial = uint64(1 + i%7) })
		attempts(func(i int, h *hello) { h.instance = [16]byte{byte(i), 1} }) // they answer no ping
		after(6 * time.Second)
		if live, settled := a.liveConns(w.id(1)); live != 1 || !settled {
			t.Errorf("%d live connections, settled: %v", live, settled)
		}
		checkServes(t, a, c)
		stopAll(t, a, c)
		for _, raw := range all {
			raw.tls.NetConn().Close()
		}
	})
}

func TestAFloodOfPingsAndRequestsIsAnsweredWithinBounds(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		release := make(chan struct{})
		r := &recorder{answer: func(ctx context.Context, _ Type, _ []byte, reply func(Type, []byte) error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			_ = reply(typePiece, []byte("late"))
		}}
		a, c := w.start(0, r), w.start(2, nil)
		after(time.Second)
		control := connectRaw(t, w, 1)
		bulk := dialRaw(t, w, w.keys[1], 0)
		bulk.hello(t, func(h *hello) { h.instance, h.class = [16]byte{1}, Bulk })
		for range 1000 {
			control.send(t, frameOf(typePing, make([]byte, 8)))
		}
		for i := range 1000 {
			bulk.send(t, numbered(typePieceRequest, uint64(i), nil))
		}
		synctest.Wait()
		if n := a.n.serving.Load(); n != MaxRequests {
			t.Errorf("%d requests are served at once", n)
		}
		if n := a.n.counts.busy.Load(); n != 1000-MaxRequests {
			t.Errorf("%d requests were refused", n)
		}
		close(release)
		late, busy := 0, 0
		for range 1000 {
			switch typ, body := bulk.frame(t); {
			case typ == typePiece && string(body[8:]) == "late":
				late++
			case typ == typeUnanswered && body[8] == unansweredBusy:
				busy++
			}
		}
		if late != MaxRequests || busy != 1000-MaxRequests {
			t.Errorf("%d answers, %d told that we are busy", late, busy)
		}
		checkServes(t, a, c)
		stopAll(t, a, c)
		control.tls.NetConn().Close()
		bulk.tls.NetConn().Close()
	})
}

func TestPeersThatHaveMuchServedLeaveRoomForOthers(t *testing.T) {
	const places = 64
	bubble(t, 4, func(t *testing.T, w *world) {
		r := &recorder{answer: func(ctx context.Context, _ Type, request []byte, reply func(Type, []byte) error) {
			if string(request) == "for good" {
				<-ctx.Done()
			}
			_ = reply(typePiece, nil)
		}}
		w.config = func(_ int, c *Config) { c.MaxServing = places }
		a := w.start(0, r)
		after(time.Second)
		var raws []*rawPeer
		for i := 1; i < 3; i++ { // each asks for all that there is
			control, bulk := dialRaw(t, w, w.keys[i], 0), dialRaw(t, w, w.keys[i], 0)
			control.hello(t, nil)
			bulk.hello(t, func(h *hello) { h.class = Bulk })
			for k := range places {
				bulk.send(t, numbered(typePieceRequest, uint64(k), []byte("for good")))
			}
			synctest.Wait()
			raws = append(raws, control, bulk)
		}
		c := w.start(3, nil)
		after(time.Second)
		const share = places / (2 * 3)
		if n := a.n.serving.Load(); n != places/2+places/(2*2) {
			t.Errorf("%d requests are served of two peers", n)
		}
		answered := make(chan error, share)
		for range share {
			go func() {
				_, err := c.n.Request(t.Context(), w.id(0), typePieceRequest, nil)
				answered <- err
			}()
		}
		for range share {
			if err := <-answered; err != nil {
				t.Errorf("asking beside peers that have much served: %v", err)
			}
		}
		closeRaw(raws...)
		after(time.Second)
		if n := a.n.serving.Load(); n != 0 {
			t.Errorf("%d requests are served of nobody", n)
		}
		stopAll(t, a, c)
	})
}

// The part of a certificate besides the key would be kept while the connection lives.
func TestAHandshakeThatIsTooLongEndsTheConnection(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		for size, taken := range map[int]bool{4 << 10: true, 20 << 10: false, 200 << 10: false} {
			template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: strings.Repeat("x", size)}}
			der, err := x509.CreateCertificate(rand.Reader, template, template, w.keys[1].Public(), w.keys[1])
			if err != nil {
				t.Fatal(err)
			}
			raw, err := w.net.DialFrom("raw:1")(t.Context(), w.address(0))
			if err != nil {
				t.Fatal(err)
			}
			config, err := newTLSConfig(w.keys[1])
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates[0].Certificate = [][]byte{der}
			c := tls.Client(raw, config)
			h := goodHello()
			h.instance = [16]byte{byte(size >> 10)}
			_, _ = c.Write(frameOf(typeHello, h.appendTo(nil))) // may fail, and so will reading
			typ, _, err := (&rawPeer{tls: c}).tryFrame()
			if got := err == nil && typ == typeHello; got != taken {
				t.Errorf("a certificate of %d bytes: taken: %v", size, got)
			}
			raw.Close()
			after(time.Second)
		}
		a.stop(t)
	})
}

func TestStrangersDoNotFillTheLogWithTheirSettings(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.config = func(_ int, c *Config) {
			c.Addresses = nil
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		}
		member := w.id(1)
		a := w.start(0, &recorder{refuse: func(id wire.PublicKey) bool { return id != member }})
		after(time.Second)
		for i, key := range []ed25519.PrivateKey{testKey(70), testKey(71), w.keys[1]} {
			raw := dialRaw(t, w, key, 0)
			h := goodHello()
			h.namespace = [32]byte{1}
			raw.send(t, frameOf(typeHello, h.appendTo(nil)))
			if e := raw.goodbye(); e == nil || e.code != byeSettings {
				t.Errorf("told %v", e)
			}
			synctest.Wait()
			if lines := strings.Count(log.String(), "namespace"); lines != i/2 {
				t.Errorf("after %d attempts %d are logged:\n%s", i+1, lines, log.String())
			}
			raw.tls.NetConn().Close()
		}
		a.stop(t)
	})
}

func TestEpochsThatDoNotDescendAreLeftOutAndLoggedOnce(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.config = func(i int, c *Config) {
			if i == 0 {
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				c.Settings.Epochs = func() []Epoch { return []Epoch{{Number: 7}, {Number: 5}, {Number: 5}, {Number: 4}} }
			}
		}
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		if len(b.connected()) != 1 {
			t.Error("not connected")
		}
		h := a.n.hello()
		if len(h.epochs) != 2 || h.epochs[1].Number != 5 {
			t.Errorf("the hello has %v", h.epochs)
		}
		stopAll(t, a, b)
		if n := strings.Count(log.String(), "Settings.Epochs"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, log.String())
		}
	})
}

type addressConn struct {
	net.Conn
	address net.Addr
}

func (c addressConn) RemoteAddr() net.Addr { return c.address }

func TestHandshakesAreCountedByTheAddressesThatOneHostMayHave(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":             "192.0.2.7",
		"::ffff:192.0.2.7":      "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::99": "2001:db8:1:2::/64",
		"2001:db8:1:3::":        "2001:db8:1:3::/64",
		"fe80::1%eth0":          "fe80::/64",
	} {
		tcp := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 99))
		if got := host(addressConn{address: tcp}); got != want {
			t.Errorf("%s counts as %s, not %s", address, got, want)
		}
	}
	if got := host(addressConn{address: &net.UnixAddr{Name: "@x", Net: "unix"}}); got != "@x" {
		t.Errorf("another kind of address counts as %s", got)
	}
}
