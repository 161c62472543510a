// Package upstream calls the program that runs upstream's engine, which Cargo builds from
// interop/upstream.
package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Program is the program of one set: the same seed deals the same keys.
type Program struct {
	Path       string
	Scheme     string
	Seed       uint64
	Validators int
}

// Find returns the path of the program: given, or if that is empty, the path of the program that
// Cargo builds from the sources in this repository. The first build takes about ten minutes.
func Find(ctx context.Context, given string, progress io.Writer) (string, error) {
	if given != "" {
		return given, nil
	}
	sources, err := sources(".")
	if err != nil {
		return "", err
	}
	cargo := exec.CommandContext(ctx, "cargo", "build", "--release", "--locked", "--message-format=json-render-diagnostics")
	cargo.Dir, cargo.Stderr = sources, progress
	messages, err := cargo.Output()
	if err != nil {
		return "", fmt.Errorf("cargo build in %s: %w", sources, err)
	}
	return built(messages)
}

// sources finds interop/upstream from a folder within the repository.
func sources(from string) (string, error) {
	at, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	for {
		found := filepath.Join(at, "interop", "upstream")
		if _, err := os.Stat(filepath.Join(found, "Cargo.toml")); err == nil {
			return found, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", errors.New("interop/upstream was not found: run this within the repository, or give the path of a built program")
		}
		at = up
	}
}

// built finds the program among Cargo's messages.
func built(messages []byte) (string, error) {
	for line := range bytes.Lines(messages) {
		var m struct {
			Reason     string
			Executable string
			Target     struct{ Name string }
		}
		if json.Unmarshal(line, &m) == nil && m.Reason == "compiler-artifact" && m.Target.Name == "lanecast-upstream" && m.Executable != "" {
			return m.Executable, nil
		}
	}
	return "", errors.New("cargo's output names no program")
}

// Command returns a call of the program.
func (p Program) Command(ctx context.Context, command string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, p.Path, append([]string{command,
		"--scheme", p.Scheme, "--seed", fmt.Sprint(p.Seed), "--validators", fmt.Sprint(p.Validators)}, args...)...)
}

// Deal writes the keys of the set to a file.
func (p Program) Deal(ctx context.Context, file string) error {
	_, err := output(p.Command(ctx, "deal", "--out", file))
	return err
}

// Checked is the result of upstream's verifier for certificates.
type Checked struct{ Valid, Invalid int }

// Check verifies the certificates in files of locks.
func (p Program) Check(ctx context.Context, files []string) (c Checked, err error) {
	text, err := output(p.Command(ctx, "check", files...))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}

// output runs a command. Its error contains the command's error output.
func output(c *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	c.Stderr = &said
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", c.Args[1], err, bytes.TrimSpace(said.Bytes()))
	}
	return text, nil
}
