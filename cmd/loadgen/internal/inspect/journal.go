package inspect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// NewJournalCommand returns the commands for journals that no engine uses.
func NewJournalCommand() *cobra.Command {
	return newInspectCommand("journal", "Look into journals", &cobra.Command{
		Short: "Read a journal, or all below a --data folder, and show its content and any damage",
		Long: "Reads a journal, or every journal in the folders right below DIR, and prints its records, lanes, tips,\n" +
			"certificates and damage. Nothing is changed and no lock is taken: a journal that is being written may look\n" +
			"damaged. An unfinished write at the end, as after a crash, is no damage.\n\n" +
			"Exit status 0: all are sound. 1: at least one is damaged or cannot be read. 2: there is no journal.",
	}, inspectJournals)
}

// journalInspection is the content of one journal. --json prints its JSON form; keys are added and
// never removed.
type journalInspection struct {
	Dir          string           `json:"dir"`
	Segments     int              `json:"segments"`
	Bytes        int64            `json:"bytes"`      // up to the end of the last whole frame
	FileBytes    int64            `json:"file_bytes"` // of all segments, with any content
	Records      int64            `json:"records"`    // as Open replays them, with dead ones not yet removed
	Copies       int64            `json:"copies"`     // further copies, written by compaction
	Clean        bool             `json:"clean"`      // it was closed, not killed
	First        uint64           `json:"first_position"`
	Last         uint64           `json:"last_position"`
	Watermark    *watermark       `json:"watermark"` // null if there is none, or none that can be read
	Nodes        int64            `json:"nodes"`
	Certificates int64            `json:"certificates"`
	Proposals    int64            `json:"proposals"` // own chunks, durable before they were signed
	Others       int64            `json:"others"`    // the first record, and those of no lane
	Lanes        []laneInspection `json:"lanes"`
	Torn         *place           `json:"torn"`     // an unfinished write, which a crash explains
	Damage       *place           `json:"damage"`   // damage that no crash explains; nothing behind it was read
	Problems     []string         `json:"problems"` // invalid records; files that cannot be read
}

// watermark is a place up to which the log was durable, from the journal's second file.
type watermark struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Next   uint64 `json:"next_position"`
}

// place is a faulty place in a file.
type place struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes,omitempty"`
	Reason string `json:"reason"`
}

// laneInspection is the content of one lane in a journal.
type laneInspection struct {
	Sequencer    string     `json:"sequencer"`
	Nodes        int64      `json:"nodes"`
	Certificates int64      `json:"certificates"`
	Tip          *laneEntry `json:"tip"`       // the highest node
	Certified    *laneEntry `json:"certified"` // the certificate of the highest chunk and newest epoch that is recorded by itself
}

type laneEntry struct {
	Height   uint64 `json:"height"`
	Epoch    uint64 `json:"epoch"` // of the certificate; for a node, of its parent's certificate
	Payload  string `json:"payload"`
	Position uint64 `json:"position"`
}

func (i *journalInspection) sound() bool { return i.Damage == nil && len(i.Problems) == 0 }

func inspectJournals(out io.Writer, dir string, asJSON bool) error {
	dirs, err := journalsBelow(dir)
	if err != nil {
		return err
	}
	var found []*journalInspection
	for _, d := range dirs {
		if i := inspectJournal(d); i != nil {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return cli.Usagef("there is no journal in %s, nor in a folder right below", dir)
	}
	return writeInspections(out, "journals", found, len(dirs), asJSON)
}

// journalsBelow returns dir if it is a journal's folder, otherwise those folders right below it
// that are.
func journalsBelow(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	if slices.ContainsFunc(entries, ofJournal) {
		return []string{dir}, nil
	}
	var found []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below := filepath.Join(dir, e.Name())
		if inside, err := os.ReadDir(below); err == nil && slices.ContainsFunc(inside, ofJournal) {
			found = append(found, below)
		}
	}
	if len(found) == 0 {
		return nil, cli.Usagef("there is no journal in %s, nor in a folder right below", dir)
	}
	return found, nil
}

func ofJournal(e os.DirEntry) bool {
	return !e.IsDir() && (strings.HasSuffix(e.Name(), ".seg") || e.Name() == "WATERMARK")
}

// maxRecordProblems bounds the problems listed for one journal.
const maxRecordProblems = 20

// inspectJournal reads a journal; nil if there is none.
func inspectJournal(dir string) *journalInspection {
	i := &journalInspection{Dir: dir, Lanes: []laneInspection{}, Problems: []string{}}
	lanes := map[wire.PublicKey]*laneInspection{}
	more := 0
	problem := func(format string, args ...any) {
		if len(i.Problems) < maxRecordProblems {
			i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
		} else {
			more++
		}
	}
	recovery, err := journal.Inspect(dir, nil, func(r journal.RecordInfo) error {
		if r.Again {
			return nil
		}
		at := uint64(r.Position)
		if i.First == 0 || at < i.First {
			i.First = at
		}
		i.Last = max(i.Last, at)
		info, err := core.DescribeRecord(r.Record)
		if err != nil {
			problem("%s at byte %d, position %d: %v", r.File, r.Offset, at, err)
			return nil
		}
		if info.Tip == nil && info.Certified == nil {
			i.Others++
			return nil
		}
		if info.Kind == core.ProposalRecord {
			i.Proposals++
		}
		l := lanes[info.Sequencer]
		if l == nil {
			l = &laneInspection{Sequencer: info.Sequencer.String()}
			lanes[info.Sequencer] = l
		}
		if other, height := l.add(&info, at); other != 0 {
			problem("%s at byte %d: position %d contradicts position %d: two payloads for lane %s height %d",
				r.File, r.Offset, at, other, l.Sequencer, height)
		}
		return nil
	})
	var corrupt *journal.CorruptError
	switch {
	case errors.As(err, &corrupt):
		i.Damage = &place{File: corrupt.File, Offset: corrupt.Offset, Reason: corrupt.Reason}
	case errors.Is(err, journal.ErrNoJournal):
		return nil // its process was killed before it made one
	case err != nil:
		problem("%s", cli.OneLine(err))
	}
	if recovery.Torn > 0 {
		i.Torn = &place{File: recovery.File, Offset: recovery.Offset, Bytes: recovery.Torn, Reason: "unfinished write, to be cut off"}
	}
	sizes, err := segmentSizes(dir)
	if err != nil {
		problem("%s", cli.OneLine(err))
	}
	for _, s := range sizes {
		i.FileBytes += s.bytes
	}
	if m := recovery.Mark; m.File != "" {
		i.Watermark = &watermark{File: m.File, Offset: m.Offset, Next: uint64(m.Next)}
	}
	if more > 0 {
		i.Problems = append(i.Problems, fmt.Sprintf("and %d more", more))
	}
	i.Segments, i.Bytes, i.Records, i.Copies, i.Clean =
		recovery.Segments, recovery.Bytes, recovery.Records, recovery.Copies, recovery.Clean
	for _, l := range lanes {
		i.Nodes += l.Nodes
		i.Certificates += l.Certificates
		i.Lanes = append(i.Lanes, *l)
	}
	slices.SortFunc(i.Lanes, func(a, b laneInspection) int { return strings.Compare(a.Sequencer, b.Sequencer) })
	return i
}

// segmentSize is the size of a segment's file.
type segmentSize struct {
	file  string
	bytes int64
}

// segmentSizes returns the sizes of all segments of a journal, in their order.
func segmentSizes(dir string) (sizes []segmentSize, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.seg")) // ascending
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return sizes, err
		}
		sizes = append(sizes, segmentSize{filepath.Base(f), info.Size()})
	}
	return sizes, nil
}

// add adds a record of the lane. It returns the position and height of the record that it
// contradicts, if any.
func (l *laneInspection) add(r *core.RecordInfo, position uint64) (contradicted, height uint64) {
	if r.Kind == core.CertificateRecord || r.Kind == core.DormantRecord && r.Certified != nil {
		l.Certificates++
		contradicted, height = keepHighest(&l.Certified, r.Certified, r.Epoch, position)
	}
	if r.Tip == nil || contradicted != 0 {
		return contradicted, height
	}
	tip := &l.Tip
	if r.Kind == core.ProposalRecord { // before it is signed it is no tip, but it must not contradict one
		known := l.Tip
		tip = &known
	} else {
		l.Nodes++
	}
	epoch := r.Epoch
	if r.Kind == core.DormantRecord {
		epoch = 0 // nothing is kept of the parent
	}
	return keepHighest(tip, r.Tip, epoch, position)
}

// keepHighest replaces the known top of a lane by an entry that is higher, or of the same chunk and
// a newer epoch.
func keepHighest(highest **laneEntry, chunk *wire.Chunk, epoch, position uint64) (contradicted, height uint64) {
	e := &laneEntry{Height: chunk.Height, Epoch: epoch, Payload: chunk.Payload.String(), Position: position}
	known := *highest
	switch {
	case known == nil || e.Height > known.Height:
		*highest = e
	case e.Height == known.Height && e.Payload != known.Payload:
		return known.Position, known.Height
	case e.Height == known.Height && e.Epoch > known.Epoch:
		*highest = e
	}
	return 0, 0
}

// print writes text to be read by people.
func (i *journalInspection) print(w io.Writer) {
	how := "not closed: it was killed, or is in use"
	if i.Clean {
		how = "closed"
	}
	cli.Say(w, "%s", i.Dir)
	size := fmt.Sprintf("%d bytes", i.Bytes)
	if i.Damage != nil {
		size = fmt.Sprintf("%d bytes, of which %d are whole and were read", i.FileBytes, i.Bytes)
	}
	cli.Say(w, "  log           %s, %s, %s", cli.Counted(i.Segments, "segment"), size, how)
	cli.Say(w, "  records       %d: %d nodes, %d certificates, %d proposals, %d others; positions %d to %d; %d copies", i.Records,
		i.Nodes, i.Certificates, i.Proposals, i.Others, i.First, i.Last, i.Copies)
	if m := i.Watermark; m != nil {
		cli.Say(w, "  watermark     %s was durable up to byte %d, before position %d",
			m.File, m.Offset, m.Next)
	}
	for _, l := range i.Lanes {
		cli.Say(w, "  lane          %s: %s; %s", l.Sequencer, l.Tip.describe("tip", "no node"), l.Certified.describe("certified", "no certificate"))
	}
	if t := i.Torn; t != nil {
		cli.Say(w, "  torn          %s at byte %d: %d bytes of an unfinished write, which a crash explains", t.File, t.Offset, t.Bytes)
	}
	if d := i.Damage; d != nil {
		cli.Say(w, "  DAMAGE        %s at byte %d: %s; nothing behind it was read", d.File, d.Offset, d.Reason)
	}
	for _, p := range i.Problems {
		cli.Say(w, "  PROBLEM       %s", p)
	}
	if i.sound() {
		cli.Say(w, "  damage        none")
	}
}

func (e *laneEntry) describe(what, none string) string {
	if e == nil {
		return none
	}
	return fmt.Sprintf("%s at height %d, payload %.16s…, position %d", what, e.Height, e.Payload, e.Position)
}
