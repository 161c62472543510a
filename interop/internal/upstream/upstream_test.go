package upstream

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheSourcesAreFoundFromAnyFolderOfTheRepository(t *testing.T) {
	want, err := filepath.Abs(filepath.Join("..", "..", "upstream"))
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{".", "..", filepath.Join("..", ".."), filepath.Join("..", "..", "..")} {
		if got, err := sources(from); err != nil || got != want {
			t.Errorf("from %s: %s, %v", from, got, err)
		}
	}
	if got, err := sources(t.TempDir()); err == nil {
		t.Errorf("elsewhere: %s", got)
	}
}

func TestTheProgramIsFoundAmongCargosMessages(t *testing.T) {
	messages := `{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"lanecast-upstream"},"executable":"/somewhere/lanecast-upstream"}
{"reason":"build-finished","success":true}
`
	if got, err := built([]byte(messages)); err != nil || got != "/somewhere/lanecast-upstream" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := built([]byte("{}\n")); err == nil {
		t.Errorf("%q", got)
	}
	if got, err := Find(context.Background(), "given", nil); err != nil || got != "given" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestACallNamesTheSet(t *testing.T) {
	p := Program{Path: "/program", Scheme: "ed25519", Seed: 5, Validators: 4}
	want := []string{"/program", "node", "--scheme", "ed25519", "--seed", "5", "--validators", "4", "--index", "2"}
	if got := p.Command(context.Background(), "node", "--index", "2").Args; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTheErrorContainsTheOutputOfTheProgram(t *testing.T) {
	p := Program{Path: "go"} // it has neither command
	if err := p.Deal(context.Background(), "keys.json"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("%v", err)
	}
	if _, err := p.Check(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("%v", err)
	}
}
