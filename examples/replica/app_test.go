package main

import (
	"fmt"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/examples/internal/keys"
	"github.com/lanecast/lanecast/examples/internal/kv"
)

func TestABodyIsApprovedInTheLaneThatOwnsAllItsKeys(t *testing.T) {
	a := &app{ids: keys.Identities(processes)}
	body := make(map[int][]byte)
	for i := range 50 {
		pair := kv.Pair{Key: fmt.Sprintf("key %d", i), Value: "1"}
		body[owner(pair.Key)] = pair.AppendTo(body[owner(pair.Key)])
	}
	for i := range processes {
		at := engine.Place{Sequencer: a.ids[i]}
		if ok, err := a.Verify(t.Context(), at, body[i]); !ok || err != nil {
			t.Errorf("lane %d, its own keys: %v, %v", i, ok, err)
		}
		other := append(body[i][:len(body[i]):len(body[i])], body[(i+1)%processes]...)
		if ok, err := a.Verify(t.Context(), at, other); ok || err != nil {
			t.Errorf("lane %d, a key of another one: %v, %v", i, ok, err)
		}
		if ok, err := a.Verify(t.Context(), at, body[i][1:]); ok || err != nil {
			t.Errorf("lane %d, bytes that are no pairs: %v, %v", i, ok, err)
		}
	}
}
