package cluster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/scratch"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
)

const (
	manifestName    = "manifest.json"
	manifestVersion = 2
)

// manifest describes the cluster that the journals of a folder belong to.
type manifest struct {
	Version    int    `json:"version"`
	Namespace  string `json:"namespace"`
	Seed       uint64 `json:"seed"`
	Validators int    `json:"validators"`
	Sequencers int    `json:"sequencers"`
	Scheme     string `json:"scheme"`
	Variant    string `json:"variant"`
	Signatures string `json:"signatures"`
	// Weights is the value of --weights, "" for equal ones. Voting holds the weights themselves,
	// since the file that --weights names may have changed.
	Weights string   `json:"weights,omitempty"`
	Voting  []uint64 `json:"voting,omitempty"`
	// Bodies reports that chunks have bodies: members' folders are those of replicas. Followers is
	// the number of followers beside the members.
	Bodies    bool `json:"bodies,omitempty"`
	Followers int  `json:"followers,omitempty"`
	// Begun reports that all members have journals. Before that no member has sent anything.
	Begun bool `json:"begun"`
}

// memberPrefix begins the name of a member's folder; the member's number follows.
const memberPrefix = "member-"

// manifestExample returns a manifest with a configuration.
func manifestExample(cfg *Config) string {
	m := newManifest(cfg)
	m.Begun = true
	b, err := json.Marshal(m)
	if err != nil {
		return manifestName
	}
	return string(b)
}

// store is the folder of a run.
type store struct {
	dir       string
	temporary bool
	disk      host.Disk       // disk of dir
	scratch   *scratch.Folder // dir as a temporary folder, nil if it is none
	manifest  *manifest       // nil for a temporary folder
}

// journal returns the configuration of a member's journal. The journal is created if the members
// have not run yet.
func (s *store) journal(member int) engine.JournalConfig {
	return engine.JournalConfig{
		Dir:    filepath.Join(s.dir, fmt.Sprintf(memberPrefix+"%04d", member)),
		Create: s.temporary || !s.manifest.Begun,
	}
}

// begun records that all members have journals, before any of them runs.
func (s *store) begun() error {
	if s.temporary || s.manifest.Begun {
		return nil
	}
	s.manifest.Begun = true
	return s.manifest.write(s.dir)
}

// forRun returns the folder of one run: without --data a new temporary one, so that repeats begin
// alike, otherwise always the folder of --data.
func (s *store) forRun() (*store, error) {
	if !s.temporary {
		return s, nil
	}
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	return &store{dir: dir, temporary: true, disk: s.disk}, nil
}

// close removes a temporary folder.
func (s *store) close() {
	if s.scratch != nil {
		s.scratch.Remove()
	} else if s.temporary {
		_ = os.RemoveAll(s.dir) // nothing can be done about an error; the result stands
	}
}

// openStore makes the folder of a run, or opens the one of --data. The configuration is then taken
// from its manifest; a flag that contradicts it is a cli usage error.
func openStore(cfg *Config) (*store, error) {
	if cfg.Data == "" {
		folder, err := scratch.New("")
		if err != nil {
			return nil, err
		}
		return &store{dir: folder.Dir, temporary: true, scratch: folder}, nil
	}
	if err := os.MkdirAll(cfg.Data, 0o755); err != nil {
		return nil, cli.Usagef("--data: %v", err)
	}
	m, err := readManifest(cfg.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if m, err = beginFolder(cfg); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, cli.Usagef("--data: %v", err)
	default:
		if err := m.apply(cfg); err != nil {
			return nil, err
		}
	}
	return &store{dir: cfg.Data, manifest: m}, nil
}

func readManifest(dir string) (*manifest, error) {
	name := filepath.Join(dir, manifestName)
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var m manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s is not a manifest: %w", name, err)
	}
	if m.Version != manifestVersion || m.Namespace != setup.Namespace {
		return nil, fmt.Errorf("%s is version %d for namespace %q; this loadgen reads version %d for %q",
			name, m.Version, m.Namespace, manifestVersion, setup.Namespace)
	}
	return &m, nil
}

// beginFolder writes the manifest into a folder that must be empty: journals without a manifest
// could belong to any cluster.
func beginFolder(cfg *Config) (*manifest, error) {
	entries, err := os.ReadDir(cfg.Data)
	if err != nil {
		return nil, cli.Usagef("--data: %v", err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == manifestName+host.NewSuffix: // of a run that was killed while writing it
		case name == "lost+found" && e.IsDir(): // of a file system
		case e.IsDir() && strings.HasPrefix(name, memberPrefix):
			return nil, cli.Usagef("--data: %s holds journals but no %s, which says whose they are. To go on with them put it back, "+
				"with the seed and the settings of their cluster, which the summary or the JSON result of an earlier run has: %s. "+
				"For a new cluster name an empty or a new folder", cfg.Data, manifestName, manifestExample(cfg))
		default:
			return nil, cli.Usagef("--data: %s holds files but no %s; name an empty or a new folder", cfg.Data, manifestName)
		}
	}
	m := newManifest(cfg)
	if err := m.write(cfg.Data); err != nil {
		return nil, cli.Usagef("--data: %v", err)
	}
	return m, nil
}

// newManifest returns the manifest of a cluster that has not begun.
func newManifest(cfg *Config) *manifest {
	return &manifest{
		Version: manifestVersion, Namespace: setup.Namespace, Seed: cfg.Seed, Validators: cfg.Validators,
		Sequencers: cfg.Sequencers, Scheme: cfg.Scheme, Variant: cfg.Variant, Signatures: cfg.Signatures,
		Weights: cfg.Weights, Voting: cfg.Voting, Bodies: cfg.Bodies.On(), Followers: cfg.Bodies.Follow,
	}
}

// write writes the manifest atomically and durably: journals are written after it.
func (m *manifest) write(dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return host.WriteDurably(filepath.Join(dir, manifestName), append(b, '\n'), 0o644)
}

// apply takes the configuration from the manifest. A flag that contradicts it is a cli usage error.
func (m *manifest) apply(cfg *Config) error {
	weights := cmp.Or(m.Weights, setup.EqualWeights)
	for _, f := range []struct {
		flag           string
		given, written any
	}{
		{"validators", cfg.Validators, m.Validators},
		{"sequencers", cfg.Sequencers, m.Sequencers},
		{"scheme", cfg.Scheme, m.Scheme},
		{"variant", cfg.Variant, m.Variant},
		{"signatures", cfg.Signatures, m.Signatures},
		{"weights", cfg.Weights, weights},
		{"seed", cfg.Seed, m.Seed},
		{"follow", cfg.Bodies.Follow, m.Followers},
	} {
		if cfg.Explicit(f.flag) && f.given != f.written {
			return cli.Usagef("--%s %v contradicts the cluster in %s, which has %v; leave the flag out or use another folder",
				f.flag, f.given, cfg.Data, f.written)
		}
	}
	switch {
	case m.Bodies && !cfg.Bodies.On():
		return cli.Usagef("the cluster in %s has bodies; say of which length, with --payload-size", cfg.Data)
	case !m.Bodies && cfg.Bodies.On():
		return cli.Usagef("--payload-size contradicts the cluster in %s, whose chunks have no bodies; use another folder", cfg.Data)
	}
	cfg.Bodies.Follow = m.Followers
	cfg.Validators, cfg.Sequencers, cfg.Seed = m.Validators, m.Sequencers, m.Seed
	cfg.Scheme, cfg.Variant, cfg.Signatures = m.Scheme, m.Variant, m.Signatures
	cfg.Weights, cfg.Voting = weights, m.Voting
	if (m.Voting == nil) != (weights == setup.EqualWeights) {
		return cli.Usagef("--data: %s names weights %q and lists %d", filepath.Join(cfg.Data, manifestName), weights, len(m.Voting))
	}
	if err := cfg.check(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(cfg.Data, manifestName), err)
	}
	cfg.Seed = m.Seed // check has drawn a seed if no flag gave one
	return nil
}
