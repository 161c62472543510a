package main

import (
	"fmt"
	"strings"
)

// block is a run of statements in a profile of statement coverage.
type block struct {
	fromLine, fromColumn, toLine, toColumn int
	statements, runs                       int
}

func (b *block) holds(line, column int) bool {
	return (line > b.fromLine || line == b.fromLine && column >= b.fromColumn) &&
		(line < b.toLine || line == b.toLine && column < b.toColumn)
}

// coverage holds the blocks of a package's files, by the files' names in the repository.
type coverage map[string][]block

// readCoverage reads a profile in the format of cmd/cover.
func readCoverage(module string, profile []byte) (coverage, error) {
	c := make(coverage)
	for line := range strings.Lines(string(profile)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "mode:") {
			continue
		}
		at := strings.LastIndex(line, ":")
		if at < 0 {
			return nil, fmt.Errorf("coverage profile: %q", line)
		}
		var b block
		if _, err := fmt.Sscanf(line[at+1:], "%d.%d,%d.%d %d %d",
			&b.fromLine, &b.fromColumn, &b.toLine, &b.toColumn, &b.statements, &b.runs); err != nil {
			return nil, fmt.Errorf("coverage profile: %q: %w", line, err)
		}
		name := strings.TrimPrefix(line[:at], module+"/")
		c[name] = append(c[name], b)
	}
	return c, nil
}

// runs reports whether tests run the code at a mutant's place. Code outside of all blocks counts as
// run.
func (c coverage) runs(m *mutant) bool {
	known := false
	for _, b := range c[m.File] {
		if b.holds(m.Line, m.Column) {
			known = true
			if b.runs > 0 {
				return true
			}
		}
	}
	return !known
}
