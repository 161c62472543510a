package message_test

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
)

func typeOf(t testing.TB, name string) network.MessageType {
	t.Helper()
	types := message.Types()
	i := slices.IndexFunc(types, func(m network.MessageType) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no type is called %q", name)
	}
	return types[i]
}

// docs/protocol.md 8.1: the table of types.
func TestTheTypesAreThoseOfTheTable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 7 || !strings.HasPrefix(cells[1], " `0x2") {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		want = append(want, strings.Join(cells[1:6], "|"))
	}
	var got []string
	for _, m := range message.Types() {
		limit := fmt.Sprint(m.Limit)
		if m.Limit >= 1<<10 && m.Limit%(1<<10) == 0 {
			limit = fmt.Sprintf("%d KiB", m.Limit>>10)
		}
		kind := map[network.Kind]string{network.Request: "request", network.Answer: "answer"}[m.Kind]
		got = append(got, fmt.Sprintf("0x%02x|%s|%s|%s|%s", uint8(m.Type), m.Name, m.Class, kind, limit))
		if m.Urgent {
			t.Errorf("%s is urgent", m.Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheTypeConstantsBelongToTheirNames(t *testing.T) {
	for name, typ := range map[string]network.Type{
		"tips request": message.TipsRequestType, "tips": message.TipsType, "headers request": message.HeadersRequestType,
		"headers": message.HeadersType, "push": message.PushType, "pushed piece": message.PushedPieceType,
		"piece request": message.PieceRequestType, "piece": message.PieceType, "absent": message.AbsentType,
		"own chunk request": message.OwnChunkRequestType, "own chunk": message.OwnChunkType, "new lock": message.NewLockType,
	} {
		if got := typeOf(t, name).Type; got != typ {
			t.Errorf("%s has type %#x, want %#x", name, got, typ)
		}
	}
}

func TestANetworkTakesTheTypes(t *testing.T) {
	control := network.MessageType{Type: 0x10, Name: "node", Class: network.Control, Limit: 1}
	_, err := network.New(network.Config{
		Key: ed25519.NewKeyFromSeed(make([]byte, 32)), Types: append(message.Types(), control),
		Settings: network.Settings{Namespace: []byte("test")},
	})
	if err != nil {
		t.Fatal(err)
	}
}
