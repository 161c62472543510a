package network

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// fast configures short timeouts: a silent peer is noticed within a second and a half, and dialled
// again soon.
func fast(c *Config) {
	c.PingInterval, c.IdleTimeout = 100*time.Millisecond, 1500*time.Millisecond
	c.MinBackoff, c.MaxBackoff = 10*time.Millisecond, 100*time.Millisecond
}

// processKey is the number of the key of the process that tests start.
const processKey = 50

// runProcess dials an address, sends back each message that it gets, and returns when its input
// ends.
func runProcess(address string) {
	var n *Network
	c := Config{
		Key: testKey(processKey), Types: testTypes, Settings: Settings{Namespace: []byte("test")},
		Addresses: func() map[wire.PublicKey]string {
			return map[wire.PublicKey]string{publicKey(testKey(0)): address}
		},
	}
	fast(&c)
	n, err := New(c)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("started")
	err = n.Run(ctx, &recorder{take: func(from wire.PublicKey, batch []Message) {
		for _, m := range batch {
			n.Send([]wire.PublicKey{from}, m.Type, slices.Clone(m.Buffer.Bytes()))
			m.Buffer.Release()
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
}

// startProcess starts the test's program again, as runProcess. It is killed with the test.
func startProcess(t *testing.T, address string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "process", address)
	c.Stderr = os.Stderr
	if _, err := c.StdinPipe(); err != nil { // it ends with this process
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(c) })
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatalf("the process said %q, %v", line, err)
	}
	return c
}

// kill kills a process that still runs.
func kill(c *exec.Cmd) {
	_ = c.Process.Kill()
	_ = c.Wait()
}

// hub is a process with one peer in another process, and one peer in this process to which it sends
// all the time.
type hub struct {
	*recorder
	n       *Network
	id      wire.PublicKey // of the other process
	address string
	echoed  atomic.Int64 // messages that the other process has sent back

	other       *recorder // of the peer in this process
	otherID     wire.PublicKey
	sent, taken atomic.Int64 // messages sent to it, and received by it
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{id: publicKey(testKey(processKey))}
	count := func(to *atomic.Int64) func(wire.PublicKey, []Message) {
		return func(_ wire.PublicKey, batch []Message) {
			to.Add(int64(len(batch)))
			for _, m := range batch {
				m.Buffer.Release()
			}
		}
	}
	h.recorder = &recorder{take: count(&h.echoed)}
	h.other = &recorder{take: count(&h.taken)}
	h.n, h.address = loopback(t, 0, h.recorder, fast)
	other, _ := loopback(t, 1, h.other, func(c *Config) {
		fast(c)
		dialTo(map[wire.PublicKey]string{h.n.Identity(): h.address})(c)
	})
	h.otherID = other.Identity()
	h.until(t, "the peer in this process is connected", func() bool { return slices.Contains(h.connected(), h.otherID) })
	return h
}

// until sends messages to the peer in this process, one after the other, until a condition holds.
func (h *hub) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	testkit.Eventually(t, what, func() bool {
		if slices.Contains(h.connected(), h.otherID) && h.taken.Load() == h.sent.Load() {
			h.sent.Add(1)
			h.n.Send([]wire.PublicKey{h.otherID}, typeAck, nil)
		}
		return holds()
	})
}

// answers waits until the other process is connected and sends messages back.
func (h *hub) answers(t *testing.T) {
	t.Helper()
	before := h.echoed.Load()
	h.until(t, "the other process sends messages back", func() bool {
		h.n.Send([]wire.PublicKey{h.id}, typeAck, nil)
		return h.echoed.Load() > before
	})
}

// isolated checks that the peer in this process has noticed nothing.
func (h *hub) isolated(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, "all messages to the peer in this process came", func() bool { return h.taken.Load() == h.sent.Load() })
	if why := h.reason(h.otherID); why != nil {
		t.Errorf("the peer in this process was disconnected: %v", why)
	}
	if events := h.other.history(); len(events) != 1 {
		t.Errorf("the peer in this process was told %q", events)
	}
}

func TestAProcessThatIsKilledAndStartedAgainIsConnectedAgainAndNobodyElseNotices(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := startProcess(t, h.address)
	h.answers(t)
	kill(p)
	h.until(t, "the process is reported gone", func() bool { return h.reason(h.id) != nil })
	startProcess(t, h.address)
	h.answers(t)
	h.isolated(t)
}
