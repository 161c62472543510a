package inspect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/journal"
)

// NewArchiveCommand returns the commands for archives that no process uses.
func NewArchiveCommand() *cobra.Command {
	indexOnly := false
	inspect := &cobra.Command{
		Short: "Read an archive of bodies, or all right below a folder, and show its content and any damage",
		Long: "Reads an archive, or every archive in the folders right below DIR, and prints its lanes, tips, locks,\n" +
			"segments and damage. All bodies are read and hashed, unless --index-only is set. Nothing is changed and no lock\n" +
			"is taken: an archive that is being written may look damaged.\n\n" +
			"Exit status 0: all are sound. 1: at least one is damaged or cannot be read. 2: there is no archive.",
	}
	inspect.Flags().BoolVar(&indexOnly, "index-only", false, "read no bodies")
	return newInspectCommand("archive", "Look into archives", inspect, func(out io.Writer, dir string, asJSON bool) error {
		return inspectArchives(out, dir, asJSON, indexOnly)
	})
}

// archiveInspection is the content of one archive. --json prints its JSON form; keys are added and
// never removed.
type archiveInspection struct {
	Dir       string           `json:"dir"`
	Namespace string           `json:"namespace"` // quoted as in Go where it is not printable
	Clean     bool             `json:"clean"`     // it was closed, not killed
	Records   int64            `json:"index_records"`
	Headers   int              `json:"headers"`
	Bodies    int              `json:"bodies"` // wanted ones that are there
	Pushed    int              `json:"pushed"` // bodies that nobody has requested yet
	Live      int64            `json:"live_bytes"`
	Bytes     int64            `json:"bytes"` // of all data segments
	Read      bool             `json:"bodies_read"`
	Lanes     []archiveLane    `json:"lanes"`
	Segments  []archiveSegment `json:"segments"`
	Torn      *place           `json:"torn"`     // an unfinished write in the index, which a crash explains
	Lost      int              `json:"lost"`     // bodies whose segment is missing or too short
	Damage    []place          `json:"damage"`   // damaged bodies; they can be fetched again
	Problems  []string         `json:"problems"` // reasons why the index, or a file, cannot be read
}

// archiveLane is the content of one lane of an archive.
type archiveLane struct {
	Sequencer string        `json:"sequencer"`
	Watermark uint64        `json:"watermark"`
	Floor     uint64        `json:"floor"`
	Headers   int           `json:"headers"`
	Bodies    int           `json:"bodies"`
	Pushed    int           `json:"pushed"`
	Bytes     int64         `json:"bytes"`
	Top       *archiveEntry `json:"top"` // the highest header
	Locks     []laneEntry   `json:"locks"`
}

type archiveEntry struct {
	Height uint64 `json:"height"`
	Digest string `json:"digest"`
	Size   uint64 `json:"size"`
	Held   bool   `json:"held"` // with its body
}

type archiveSegment struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	Live   int64  `json:"live_bytes"`
	Bodies int    `json:"bodies"`
}

func (i *archiveInspection) sound() bool {
	return i.Lost == 0 && len(i.Damage) == 0 && len(i.Problems) == 0
}

func inspectArchives(out io.Writer, dir string, asJSON, indexOnly bool) error {
	dirs, err := archivesBelow(dir)
	if err != nil {
		return err
	}
	var found []*archiveInspection
	for _, d := range dirs {
		found = append(found, inspectArchive(d, indexOnly))
	}
	return writeInspections(out, "archives", found, len(dirs), asJSON)
}

// archivesBelow returns dir if it is an archive's folder, otherwise those folders right below it
// that are.
func archivesBelow(dir string) ([]string, error) {
	if isArchive(dir) {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	var found []string
	for _, e := range entries {
		if below := filepath.Join(dir, e.Name()); isArchive(below) {
			found = append(found, below)
		}
	}
	if len(found) == 0 {
		return nil, cli.Usagef("there is no archive in %s, nor in a folder right below", dir)
	}
	return found, nil
}

// isArchive reports whether a folder has both folders of an archive, and a journal in the one.
func isArchive(dir string) bool {
	if st, err := os.Stat(filepath.Join(dir, "data")); err != nil || !st.IsDir() {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "index", "WATERMARK"))
	return err == nil
}

func inspectArchive(dir string, indexOnly bool) *archiveInspection {
	found, err := archive.Inspect(dir, nil, !indexOnly)
	i := &archiveInspection{
		Dir: dir, Namespace: namespaceText(found.Namespace), Clean: found.Index.Clean, Records: found.Index.Records, Read: !indexOnly, Lost: found.Lost,
		Lanes: []archiveLane{}, Segments: []archiveSegment{}, Damage: []place{}, Problems: []string{},
	}
	var corrupt *journal.CorruptError
	switch {
	case errors.As(err, &corrupt):
		i.Problems = append(i.Problems, fmt.Sprintf("the index is damaged: %s at byte %d: %s", corrupt.File, corrupt.Offset, corrupt.Reason))
	case err != nil:
		i.Problems = append(i.Problems, cli.OneLine(err))
	}
	if t := found.Index; t.Torn > 0 {
		i.Torn = &place{File: t.File, Offset: t.Offset, Bytes: t.Torn, Reason: "unfinished write, to be cut off"}
	}
	for _, l := range found.Lanes {
		lane := archiveLane{
			Sequencer: l.Sequencer.String(), Watermark: l.Watermark, Floor: l.Floor, Headers: l.Headers, Bodies: l.Bodies, Pushed: l.Pushed,
			Bytes: l.Bytes, Locks: []laneEntry{},
		}
		if t := l.Top; t != nil {
			lane.Top = &archiveEntry{t.Header.Height, t.Digest.String(), t.Header.BodySize, t.State == archive.Held}
		}
		for _, k := range l.Locks {
			lane.Locks = append(lane.Locks, laneEntry{Height: k.Chunk.Height, Epoch: k.Epoch, Payload: k.Chunk.Payload.String()})
		}
		i.Headers, i.Bodies, i.Pushed, i.Live = i.Headers+l.Headers, i.Bodies+l.Bodies, i.Pushed+l.Pushed, i.Live+l.Bytes
		i.Lanes = append(i.Lanes, lane)
	}
	for _, s := range found.Segments {
		i.Bytes += s.Bytes
		i.Segments = append(i.Segments, archiveSegment(s))
	}
	for _, d := range found.Damage {
		i.Damage = append(i.Damage, place{File: d.File, Offset: d.Offset,
			Reason: fmt.Sprintf("height %d of lane %v: %s", d.Height, d.Sequencer, d.Reason)})
	}
	return i
}

// namespaceText returns text unchanged if it is printable ASCII, otherwise quoted as in Go.
func namespaceText(text []byte) string {
	q := fmt.Sprintf("%+q", text)
	if q == `"`+string(text)+`"` {
		return string(text)
	}
	return q
}

// print writes text to be read by people.
func (i *archiveInspection) print(w io.Writer) {
	how := "not closed: it was killed, or is in use"
	if i.Clean {
		how = "closed"
	}
	cli.Say(w, "%s", i.Dir)
	cli.Say(w, "  archive       namespace %s; index of %d records, %s", i.Namespace, i.Records, how)
	cli.Say(w, "  data          %d segments, %d bytes, of which %d live", len(i.Segments), i.Bytes, i.Live)
	cli.Say(w, "  held          %d headers, %d bodies, %d pushed", i.Headers, i.Bodies, i.Pushed)
	for _, l := range i.Lanes {
		top := "no header"
		if t := l.Top; t != nil {
			body := "without its body"
			if t.Held {
				body = fmt.Sprintf("%d bytes", t.Size)
			}
			top = fmt.Sprintf("top at height %d, digest %.16s…, %s", t.Height, t.Digest, body)
		}
		cli.Say(w, "  lane          %s: from %d (kept from %d); %d headers, %d bodies, %d pushed, %d bytes; %s", l.Sequencer, l.Watermark,
			l.Floor, l.Headers, l.Bodies, l.Pushed, l.Bytes, top)
		for _, k := range l.Locks {
			cli.Say(w, "    lock        height %d, epoch %d, payload %.16s…", k.Height, k.Epoch, k.Payload)
		}
	}
	if t := i.Torn; t != nil {
		cli.Say(w, "  torn          %s at byte %d: %d bytes of an unfinished write, which a crash explains", t.File, t.Offset, t.Bytes)
	}
	if i.Lost > 0 {
		cli.Say(w, "  LOST          %d bodies: their segments are missing or too short", i.Lost)
	}
	for _, d := range i.Damage {
		cli.Say(w, "  DAMAGE        %s at byte %d: %s", d.File, d.Offset, d.Reason)
	}
	for _, p := range i.Problems {
		cli.Say(w, "  PROBLEM       %s", p)
	}
	switch {
	case !i.sound():
	case i.Read:
		cli.Say(w, "  damage        none")
	default:
		cli.Say(w, "  damage        none that is seen without reading the bodies")
	}
}
