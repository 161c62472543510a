package journalbench

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/lanecast/lanecast/journal"
	tidwall "github.com/tidwall/wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// Way is one of the ways that are compared.
type Way struct {
	Name string
	// Open creates an empty log in a folder that does not exist yet.
	Open func(dir string) (Log, error)
}

// Ways returns all ways, the one without groups first and ours second.
func Ways() []Way {
	return []Way{
		{"one-fsync-per-record", openFile},
		{"journal", openJournal},
		{"etcd", func(dir string) (Log, error) { return newGrouped(openEtcd(dir)) }},
		{"raft-wal", func(dir string) (Log, error) { return newGrouped(openRaftWAL(dir)) }},
		{"tidwall", func(dir string) (Log, error) { return newGrouped(openTidwall(dir)) }},
		{"pebble-batches", func(dir string) (Log, error) { return newGrouped(openPebble(dir)) }},
		{"pebble-pipeline", openPipeline},
	}
}

type file struct {
	f     *os.File
	n     int64
	moved chan struct{}
}

func openFile(dir string) (Log, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	return &file{f: f, moved: make(chan struct{}, 1)}, nil
}

func (f *file) Append(_ int, record []byte) error {
	if _, err := f.f.Write(record); err != nil {
		return err
	}
	f.n++
	signal(f.moved)
	return syncData(f.f)
}

func (f *file) Durable() (int64, error) { return f.n, nil }
func (f *file) Syncs() int64            { return f.n }
func (f *file) Moved() <-chan struct{}  { return f.moved }
func (f *file) Close() error            { return f.f.Close() }

// firstPosition is the position of a log's first record. Here that record is empty, released, and
// not counted.
const firstPosition journal.Position = 1

type ours struct {
	j     *journal.Journal
	last  [Lanes]journal.Position
	moved chan struct{}
	syncs atomic.Int64
}

func openJournal(dir string) (Log, error) {
	o := &ours{moved: make(chan struct{}, 1)}
	var err error
	o.j, err = journal.Open(journal.Config{
		Dir: dir, Create: true,
		Notify: func() { signal(o.moved) }, Observe: func(journal.SyncInfo) { o.syncs.Add(1) },
	}, nil)
	o.last[0] = firstPosition
	return o, err
}

func (o *ours) Append(lane int, record []byte) error {
	p, err := o.j.Append(record)
	o.j.Release(o.last[lane])
	o.last[lane] = p
	return err
}

func (o *ours) Durable() (int64, error) { return int64(o.j.Durable() - firstPosition), o.j.Err() }
func (o *ours) Syncs() int64            { return o.syncs.Load() }
func (o *ours) Moved() <-chan struct{}  { return o.moved }
func (o *ours) Close() error            { return o.j.Close() }

type etcd struct {
	w       *etcdwal.WAL
	index   uint64
	entries []raftpb.Entry
}

func openEtcd(dir string) (*etcd, error) {
	w, err := etcdwal.Create(zap.NewNop(), dir, nil)
	return &etcd{w: w}, err
}

func (e *etcd) commit(g *group) error {
	e.entries = e.entries[:0]
	for i := range g.ends {
		e.index++
		e.entries = append(e.entries, raftpb.Entry{Term: 1, Index: e.index, Data: g.record(i)})
	}
	return e.w.Save(raftpb.HardState{}, e.entries)
}

func (e *etcd) close() error { return e.w.Close() }

type raftLog struct {
	w     *raftwal.WAL
	index uint64
	logs  []raft.Log
	refs  []*raft.Log
}

func openRaftWAL(dir string) (*raftLog, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	w, err := raftwal.Open(dir, raftwal.WithLogger(hclog.New(&hclog.LoggerOptions{Output: io.Discard})))
	return &raftLog{w: w}, err
}

func (r *raftLog) commit(g *group) error {
	for len(r.logs) < len(g.ends) {
		r.logs = append(r.logs, raft.Log{})
	}
	r.refs = r.refs[:0]
	for i := range g.ends {
		r.index++
		r.logs[i] = raft.Log{Index: r.index, Term: 1, Data: g.record(i)}
		r.refs = append(r.refs, &r.logs[i])
	}
	return r.w.StoreLogs(r.refs)
}

func (r *raftLog) close() error { return r.w.Close() }

type tidwallLog struct {
	l     *tidwall.Log
	index uint64
	batch tidwall.Batch
}

func openTidwall(dir string) (*tidwallLog, error) {
	l, err := tidwall.Open(dir, nil)
	return &tidwallLog{l: l}, err
}

func (t *tidwallLog) commit(g *group) error {
	for i := range g.ends {
		t.index++
		t.batch.Write(t.index, g.record(i))
	}
	return t.l.WriteBatch(&t.batch)
}

func (t *tidwallLog) close() error { return t.l.Close() }

type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

type pebbleDB struct{ db *pebble.DB }

func openPebble(dir string) (*pebbleDB, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		Logger: quiet{}, FormatMajorVersion: pebble.FormatNewest, MemTableSize: 64 << 20,
	})
	return &pebbleDB{db}, err
}

func key(lane int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(lane)) }

func (p *pebbleDB) commit(g *group) error {
	b := p.db.NewBatchWithSize(len(g.bytes) + 24*len(g.ends))
	for i := range g.ends {
		if err := b.Set(key(g.lanes[i]), g.record(i), nil); err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	return b.Close()
}

func (p *pebbleDB) close() error { return p.db.Close() }

// pipeline leaves the grouping to pebble: it commits batches of one record each without waiting,
// and then waits for them in order.
type pipeline struct {
	*pebbleDB
	waiting chan *pebble.Batch
	moved   chan struct{}
	done    chan struct{}
	durable atomic.Int64

	mu  sync.Mutex
	err error
}

func openPipeline(dir string) (Log, error) {
	db, err := openPebble(dir)
	if err != nil {
		return nil, err
	}
	p := &pipeline{pebbleDB: db, waiting: make(chan *pebble.Batch, 1<<14), moved: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for b := range p.waiting {
			if err := b.SyncWait(); err != nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
			}
			_ = b.Close()
			p.durable.Add(1)
			signal(p.moved)
		}
	}()
	return p, nil
}

func (p *pipeline) Append(lane int, record []byte) error {
	b := p.db.NewBatch()
	if err := b.Set(key(lane), record, nil); err != nil {
		return err
	}
	if err := p.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return err
	}
	p.waiting <- b
	return nil
}

func (p *pipeline) Durable() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.durable.Load(), p.err
}

func (p *pipeline) Syncs() int64           { return 0 }
func (p *pipeline) Moved() <-chan struct{} { return p.moved }

func (p *pipeline) Close() error {
	close(p.waiting)
	<-p.done
	return p.close()
}
