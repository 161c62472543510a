package bridge

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

var _ engine.Sender = (*Bridge)(nil)

const patience = 30 * time.Second

func TestAFrameIsReadBackAndEachCutOfItIsRefused(t *testing.T) {
	from := wire.PublicKey{9}
	frame := appendFrame(nil, Ack, from, []byte("message"))
	c, who, message, err := readFrame(bytes.NewReader(frame))
	if err != nil || c != Ack || who != from || string(message) != "message" {
		t.Errorf("%v %v %q %v", c, who, message, err)
	}
	if _, _, _, err := readFrame(bytes.NewReader(nil)); err != io.EOF {
		t.Errorf("between frames: %v", err)
	}
	for cut := 1; cut < len(frame); cut++ {
		if _, _, _, err := readFrame(bytes.NewReader(frame[:cut])); err == nil || err == io.EOF {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestALengthThatNoFrameHasIsRefusedBeforeItIsAllocated(t *testing.T) {
	for _, size := range []uint32{0, headSize - 1, maxFrame + 1, 1<<32 - 1} {
		head := binary.BigEndian.AppendUint32(nil, size)
		head = append(head, make([]byte, headSize)...)
		if _, _, _, err := readFrame(bytes.NewReader(head)); err == nil {
			t.Errorf("%d bytes are taken", size)
		}
	}
}

// got is a delivered message.
type got struct {
	channel Channel
	from    wire.PublicKey
	message string
}

// pair returns two connected bridges, with channels of the messages that each delivers.
func pair(t *testing.T, loss float64) (bridges [2]*Bridge, ids [2]wire.PublicKey, delivered [2]chan got) {
	t.Helper()
	ids = [2]wire.PublicKey{{1}, {2}}
	var listeners [2]net.Listener
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i], delivered[i] = l, make(chan got, 4*waiting)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	for i := range bridges {
		bridges[i] = New(Config{
			Identity: ids[i], Listener: listeners[i], Loss: loss,
			Peers: map[wire.PublicKey]string{ids[1-i]: listeners[1-i].Addr().String()},
			Deliver: func(c Channel, from wire.PublicKey, message []byte) {
				delivered[i] <- got{c, from, string(message)}
			},
		})
		go func() {
			bridges[i].Run(ctx)
			ended <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		<-ended
		<-ended
	})
	return bridges, ids, delivered
}

func await(t *testing.T, c <-chan got, want got) {
	t.Helper()
	select {
	case g := <-c:
		if g != want {
			t.Errorf("%+v, want %+v", g, want)
		}
	case <-time.After(patience):
		t.Fatalf("%+v does not come", want)
	}
}

func TestMessagesGoToThePeersNamedOnTheirChannels(t *testing.T) {
	b, ids, delivered := pair(t, 0)
	b[0].SendNode([]wire.PublicKey{ids[1], {77}}, []byte("node"))
	await(t, delivered[1], got{Node, ids[0], "node"})
	b[1].SendAck([]wire.PublicKey{ids[0]}, []byte("ack"))
	await(t, delivered[0], got{Ack, ids[1], "ack"})
	b[0].SendCertificate([]wire.PublicKey{ids[1]}, []byte("unknown to upstream"))
	b[0].SendAck([]wire.PublicKey{ids[1]}, nil)
	await(t, delivered[1], got{Ack, ids[0], ""})
}

func TestInvalidFramesAndFramesOfStrangersAreNotDelivered(t *testing.T) {
	b, ids, delivered := pair(t, 0)
	c, err := net.Dial("tcp", b[1].config.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	bad := appendFrame(nil, Node, wire.PublicKey{77}, []byte("of a stranger"))
	bad = appendFrame(bad, 5, ids[0], []byte("of no channel"))
	bad = appendFrame(bad, Node, ids[0], []byte("good"))
	bad = append(bad, 0xff, 0xff, 0xff, 0xff)
	bad = append(bad, make([]byte, headSize)...)
	if _, err := c.Write(bad); err != nil {
		t.Fatal(err)
	}
	await(t, delivered[1], got{Node, ids[0], "good"})
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stays open after an invalid frame")
	} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("the connection is not closed after an invalid frame")
	}
}

func TestAPartOfTheMessagesIsLostAndAFullQueueIsCounted(t *testing.T) {
	b := New(Config{Identity: wire.PublicKey{1}, Peers: map[wire.PublicKey]string{{2}: "nowhere"}, Loss: 0.5})
	to := []wire.PublicKey{{2}}
	const sent = 4000 // fewer than a third arrive with probability below 10^-90
	for range sent {
		b.SendAck(to, []byte("ack"))
	}
	if n := len(b.out[to[0]]); n < sent/3 || n > 2*sent/3 {
		t.Errorf("%d of %d are left", n, sent)
	}
	if b.Dropped() != 0 {
		t.Errorf("%d dropped", b.Dropped())
	}
	b.config.Loss = 0
	for len(b.out[to[0]]) < waiting {
		b.SendAck(to, nil)
	}
	b.SendAck(to, nil)
	if b.Dropped() != 1 {
		t.Errorf("%d dropped", b.Dropped())
	}
}
