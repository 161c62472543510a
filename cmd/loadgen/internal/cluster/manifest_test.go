package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
)

func TestAManifestIsReadStrictly(t *testing.T) {
	for name, content := range map[string]string{
		"garbage":         "no json",
		"unknown field":   `{"version":1,"namespace":"lanecast-loadgen","shards":3}`,
		"later version":   `{"version":2,"namespace":"lanecast-loadgen"}`,
		"other namespace": `{"version":1,"namespace":"elsewhere"}`,
		"impossible":      `{"version":1,"namespace":"lanecast-loadgen","validators":-4,"sequencers":1,"scheme":"multisig"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			clitest.OneLineError(t, loadgen(t.Context(), "--data", dir), cli.Usage, manifestName)
		})
	}
}

func TestAManifestThatWasBeingWrittenDoesNotStandInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, manifestName+".new"), []byte(`{"vers`), 0o644); err != nil {
		t.Fatal(err)
	}
	s := DefaultConfig()
	s.Data, s.Seed = dir, 9
	if _, err := openStore(s); err != nil {
		t.Fatal(err)
	}
	m, err := readManifest(dir)
	if err != nil || m.Seed != 9 || m.Validators != 4 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := os.Stat(filepath.Join(dir, manifestName+".new")); !os.IsNotExist(err) {
		t.Errorf("the unfinished manifest is still there: %v", err)
	}
}

func TestAFreshFileSystemIsAnEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Data = dir
	if _, err := openStore(cfg); err != nil {
		t.Error(err)
	}
}

func TestTheAdviceForALostManifestKeepsTheJournals(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "member-0000"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := loadgen(t.Context(), "--data", dir, "--seed", "7", "--validators", "5")
	clitest.OneLineError(t, o, cli.Usage, "holds journals but no manifest.json", "put it back", `"seed":7,"validators":5`)
	// The manifest in the message can be used as it is.
	line := o.Stderr[strings.Index(o.Stderr, "{") : strings.LastIndex(o.Stderr, "}")+1]
	if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := readManifest(dir); err != nil || m.Seed != 7 || m.Validators != 5 || !m.Begun {
		t.Errorf("%+v, %v", m, err)
	}
}
