package archive

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// Inspection is the content of an archive.
type Inspection struct {
	Namespace []byte
	Index     journal.Recovery
	Lanes     []LaneInspection // by ascending sequencer
	Segments  []SegmentInspection
	Lost      int           // bodies whose segment is missing or too short
	Damage    []DamageError // of bodies, if they were read; those lost included
}

// LaneInspection is the content of one lane.
type LaneInspection struct {
	Tip
	Headers int   // with bodies and without
	Bodies  int   // of those
	Pushed  int   // bodies that nobody has wanted yet
	Bytes   int64 // of all bodies, with their framing
}

// SegmentInspection is a data segment.
type SegmentInspection struct {
	File   string
	Bytes  int64
	Live   int64 // bytes of bodies that the index names
	Bodies int   // that the index names
}

// Inspect reads the archive in a folder and returns the content that Open would find; with bodies,
// it reads those too. It changes nothing and takes no lock: an archive in use may look damaged. fs
// may be nil for the operating system's. With an error, the result is incomplete.
func Inspect(dir string, fsys journal.FS, bodies bool) (Inspection, error) {
	var out Inspection
	if fsys == nil {
		fsys = journal.OS()
	}
	dir, err := fsys.Abs(dir)
	if err != nil {
		return out, fmt.Errorf("archive: finding the absolute path: %w", err)
	}
	r := newReplay(nil, false)
	out.Index, err = journal.Inspect(filepath.Join(dir, indexDir), fsys, func(i journal.RecordInfo) error {
		if i.Again {
			return nil
		}
		return r.record(i.Position, i.Record)
	})
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		return out, fmt.Errorf("archive: reading the index: %w", err)
	}
	out.Namespace = r.namespace
	a := &Archive{cfg: Config{FS: fsys}, dir: filepath.Join(dir, dataDir), identity: r.identity, state: r.state}
	if err := a.lookAtFiles(&out); err != nil {
		return out, err
	}
	out.Lost = a.state.loseMissing()
	for _, l := range a.state.lanes {
		out.Lanes = append(out.Lanes, l.inspect())
	}
	slices.SortFunc(out.Lanes, func(a, b LaneInspection) int { return a.Sequencer.Compare(b.Sequencer) })
	if bodies {
		err = a.readAll(&out)
	}
	return out, err
}

func (l *lane) inspect() LaneInspection {
	i := LaneInspection{Tip: l.tip(), Headers: l.wanted.len(), Pushed: l.pushed.len()}
	for _, places := range []*entries{&l.wanted, &l.pushed} {
		for height, e := range places.all() {
			i.Bytes += l.bytes(height, &e)
		}
	}
	for _, e := range l.wanted.all() {
		if e.held() {
			i.Bodies++
		}
	}
	return i
}

// lookAtFiles notes which data files there are, and how long they are.
func (a *Archive) lookAtFiles(out *Inspection) error {
	names, err := a.cfg.FS.ReadDir(a.dir)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("archive: listing the data: %w", err)
	}
	for _, g := range a.state.segments {
		g.missing = true
	}
	slices.Sort(names)
	for _, name := range names {
		n := segment.Number(name, suffix)
		if n == 0 || n > 1<<32-1 {
			continue
		}
		file, err := a.cfg.FS.OpenRead(filepath.Join(a.dir, name))
		if err != nil {
			return fmt.Errorf("archive: opening %s: %w", name, err)
		}
		g := a.state.segment(uint32(n))
		g.missing = false
		g.size, err = file.Size()
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("archive: measuring %s: %w", name, err)
		}
		out.Segments = append(out.Segments, SegmentInspection{File: name, Bytes: g.size, Live: g.live, Bodies: g.bodies})
	}
	return nil
}

// readAll reads all bodies in the order of the files, wanted ones and pushed ones.
func (a *Archive) readAll(out *Inspection) error {
	type body struct {
		place
		entry
	}
	var all []body
	for _, l := range a.state.lanes {
		for _, places := range []*entries{&l.wanted, &l.pushed} {
			for height, e := range places.all() {
				if e.at.segment != 0 {
					all = append(all, body{place{l.sequencer, height}, e})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b body) int {
		return cmp.Or(cmp.Compare(a.at.segment, b.at.segment), cmp.Compare(a.at.offset, b.at.offset))
	})
	var file journal.File
	number, buf := uint32(0), []byte(nil)
	closeFile := func() {
		if file != nil {
			_ = file.Close() // it was read only
		}
		file = nil
	}
	defer closeFile()
	for i := range all {
		b := &all[i]
		if b.at.segment != number {
			closeFile()
			number = b.at.segment
			var err error
			if file, err = a.cfg.FS.OpenRead(filepath.Join(a.dir, segmentName(number))); err != nil && !isMissing(err) {
				return fmt.Errorf("archive: opening %s: %w", segmentName(number), err)
			}
		}
		s, damage := a.readStored(file, b.place, &b.entry, buf)
		buf = s.buf
		if damage == nil {
			damage = checkHashes(b.place, &b.entry, &s)
		}
		if damage != nil {
			out.Damage = append(out.Damage, *damage)
		}
	}
	return nil
}

// checkHashes hashes a body whose checksum is good.
func checkHashes(p place, e *entry, s *stored) *DamageError {
	body := s.payload[s.prefix:]
	tree := payload.Build(body)
	kept := s.payload[s.prefix-wire.DigestSize*len(tree.Leaves()) : s.prefix]
	if tree.Root() == e.root && slices.Equal(leavesOf(kept), tree.Leaves()) {
		return nil
	}
	return damaged(p, e, "the body does not have the root of its header", nil)
}
