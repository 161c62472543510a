package plan

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAPlanOrdersItsEvents(t *testing.T) {
	p, err := New("UUL", []string{"2@5s-8s", "0@1s-1500ms"}, []string{"1@3s"}, []string{"0@9s"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{0, Start, 0}, {0, Start, 2}, {time.Second, Kill, 0}, {1500 * time.Millisecond, Start, 0}, {3 * time.Second, Start, 1},
		{5 * time.Second, Kill, 2}, {8 * time.Second, Start, 2}, {9 * time.Second, Move, 0},
	}
	if !reflect.DeepEqual(p.Events, want) {
		t.Errorf("%+v", p.Events)
	}
	if p.Settled() != 9*time.Second || !p.Moved(0) || p.Moved(1) {
		t.Errorf("settled after %v, moved %v %v", p.Settled(), p.Moved(0), p.Moved(1))
	}
}

func TestAnImpossiblePlanIsRefused(t *testing.T) {
	for _, c := range []struct {
		mix, kill, late, move, says string
	}{
		{mix: "", says: "1 to 20"},
		{mix: strings.Repeat("U", 21), says: "1 to 20"},
		{mix: "UXL", says: "neither U"},
		{mix: "UL", kill: "2@1s-2s", says: "--kill"},
		{mix: "UL", kill: "-1@1s-2s", says: "--kill"},
		{mix: "UL", kill: "0@1s", says: "FROM-TO"},
		{mix: "UL", kill: "0@1s-2s-3s", says: "FROM-TO"},
		{mix: "UL", kill: "0:1s-2s", says: "FROM-TO"},
		{mix: "UL", kill: "0@2s-1s", says: "start at 1s"},
		{mix: "UL", kill: "0@1s-2s", late: "0@3s", says: "kill at 1s"},
		{mix: "UL", late: "1@soon", says: "--late"},
		{mix: "UL", move: "1@1s", says: "runs Lanecast"},
		{mix: "UL", move: "0@-1s", says: "--move"},
	} {
		some := func(s string) []string {
			if s == "" {
				return nil
			}
			return []string{s}
		}
		if p, err := New(c.mix, some(c.kill), some(c.late), some(c.move)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %+v, %v", c, p, err)
		}
	}
}
