package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// node is one process of the test's network.
type node struct {
	options
	http net.Listener
	stop context.CancelFunc
	done chan error
	hup  chan os.Signal
}

// newNodes makes keys and a list of members, of epoch 0, for the given number of processes.
func newNodes(t *testing.T, n int) (nodes []*node, members string) {
	t.Helper()
	dir := t.TempDir()
	members = filepath.Join(dir, "members")
	list := "# the test's network\n\n"
	for i := range n {
		p := &node{}
		p.namespace, p.members, p.acks, p.pace = "node-test", members, "all", 10*time.Millisecond
		p.log = slog.New(slog.DiscardHandler)
		p.key, p.journal = filepath.Join(dir, fmt.Sprint("key", i)), filepath.Join(dir, fmt.Sprint("journal", i))
		if err := newKey(io.Discard, p.key); err != nil {
			t.Fatal(err)
		}
		p.bind(t)
		p.listen = p.listener.Addr().String()
		list += fmt.Sprintf("0 %v %s\n", p.id(t), p.listen)
		nodes = append(nodes, p)
	}
	if err := os.WriteFile(members, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	return nodes, members
}

func (p *node) id(t *testing.T) wire.PublicKey {
	t.Helper()
	key, err := readKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return wire.PublicKey(key.Public().(ed25519.PublicKey))
}

// bind opens the listeners, at any port. After a restart the port differs from that in the list, so
// the process dials the others.
func (p *node) bind(t *testing.T) {
	t.Helper()
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if p.http, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
}

func (p *node) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.done, p.hup = cancel, make(chan error, 1), make(chan os.Signal, 1)
	p.options.httpListener = p.http
	go func() {
		err := run(ctx, &p.options, p.hup)
		if err != nil {
			t.Error(err)
			_ = p.http.Close()
		}
		p.done <- err
	}()
	t.Cleanup(cancel)
}

func (p *node) halt(t *testing.T) {
	t.Helper()
	p.stop()
	if err := <-p.done; err != nil {
		t.Error(err)
	}
}

// locksOf returns the highest locks that processes know, by sequencer.
func locksOf(t *testing.T, nodes ...*node) (text string, heights map[wire.PublicKey]uint64) {
	t.Helper()
	var addresses []string
	for _, p := range nodes {
		addresses = append(addresses, p.http.Addr().String())
	}
	var out strings.Builder
	if err := printLocks(&out, addresses); err != nil {
		return "", nil
	}
	heights = make(map[wire.PublicKey]uint64)
	for line := range strings.Lines(out.String()) {
		lock, err := decodeLock(line, nil)
		if err != nil {
			t.Fatal(err)
		}
		heights[lock.Chunk.Sequencer] = lock.Chunk.Height
	}
	return out.String(), heights
}

func grow(t *testing.T, what string, on *node, by int, height uint64) {
	t.Helper()
	testkit.Eventually(t, what, func() bool {
		_, heights := locksOf(t, on)
		high := 0
		for _, h := range heights {
			if h >= height {
				high++
			}
		}
		return high >= by
	})
}

func TestANetworkStartsLosesAJournalAndEntersAnEpoch(t *testing.T) {
	nodes, members := newNodes(t, 4)
	for _, p := range nodes {
		p.first = true
		p.start(t)
	}
	grow(t, "all lanes grow", nodes[0], 4, 5)

	// One process loses its journal.
	lost := nodes[3]
	lost.halt(t)
	if err := os.RemoveAll(lost.journal); err != nil {
		t.Fatal(err)
	}
	lost.first = false
	lost.bind(t)
	lost.options.httpListener = lost.http
	if err := run(t.Context(), &lost.options, nil); !errors.Is(err, journal.ErrNoJournal) {
		t.Fatalf("with an empty folder it began: %v", err)
	}
	text, heights := locksOf(t, nodes[:3]...)
	if len(heights) != 4 {
		t.Fatalf("locks of %d lanes", len(heights))
	}
	lost.adopt = filepath.Join(t.TempDir(), "locks")
	if err := os.WriteFile(lost.adopt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lost.lost = true
	_ = lost.http.Close()
	lost.bind(t)
	lost.start(t)
	grow(t, "the one that lost its journal sees the others' lanes grow", lost, 3, heights[nodes[0].id(t)]+5)

	// Its lane has ended: in the next epoch another key replaces it.
	next, _ := newNodes(t, 1)
	added := next[0]
	added.members, added.first = members, true
	added.adopt = filepath.Join(t.TempDir(), "locks")
	text, _ = locksOf(t, nodes[:3]...)
	if err := os.WriteFile(added.adopt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(members)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(nodes[:3:3], added) {
		list = fmt.Appendf(list, "1 %v %s\n", p.id(t), p.listen)
	}
	if err := os.WriteFile(members, list, 0o600); err != nil {
		t.Fatal(err)
	}
	added.start(t)
	for _, p := range nodes {
		p.hup <- os.Interrupt // any signal
	}
	grow(t, "four lanes grow in the next epoch", nodes[0], 4, 5)
	testkit.Eventually(t, "the new lane is certified", func() bool {
		_, heights := locksOf(t, nodes[1])
		return heights[added.id(t)] >= 5
	})
	for _, p := range append(nodes, added) {
		p.halt(t)
	}
}

func TestErrorsNameTheFaultsOfFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	for content, says := range map[string]string{
		"":                   "names no member",
		"0 ab":               "file:1: want EPOCH IDENTITY ADDRESS",
		"# a\n0 zz a:1":      "file:2: want the number of an epoch, and 64 hexadecimal digits",
		"-1 " + hex64:        "file:1: want EPOCH IDENTITY ADDRESS",
		"-1 " + hex64 + " a": "file:1: want the number of an epoch",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readMembers(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", content, err, says)
		}
	}
	if err := newKey(io.Discard, name); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file was overwritten with a key: %v", err)
	}
	if _, err := readKey(name); err == nil || !strings.Contains(err.Error(), "is not a key file") {
		t.Errorf("a list is taken for a key: %v", err)
	}
	for flags, says := range map[string]string{
		"": "is required", "x": "takes no argument", "-namespace a -key k -members m -journal j -listen l -acks some": "all or sequencer",
		"-namespace a -key k -members m -journal j -listen l -journal-lost": "needs -adopt",
	} {
		if err := new(options).parse(strings.Fields(flags)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("run %s: %v, want %q", flags, err, says)
		}
	}
}

var hex64 = strings.Repeat("ab", 32)

func TestOnlyTheAddressesOfAKnownEpochMayChange(t *testing.T) {
	nodes, members := newNodes(t, 2)
	for _, p := range nodes {
		_, _ = p.listener.Close(), p.http.Close()
	}
	key, err := readKey(nodes[0].key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := readMembers(members)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSets([]byte("node-test"), key, list)
	if err != nil {
		t.Fatal(err)
	}
	moved := map[uint64][]member{0: {list[0][0], {list[0][1].id, "10.0.0.9:7600"}}}
	if err := s.add(moved); err != nil || s.addresses()[list[0][1].id] != "10.0.0.9:7600" {
		t.Errorf("the addresses are %v, %v", s.addresses(), err)
	}
	if err := s.add(map[uint64][]member{0: list[0][:1]}); err == nil || len(s.addresses()) != 2 {
		t.Errorf("a member was taken out of an epoch: %v, %v", s.addresses(), err)
	}
}
