// Package crashfs is a file system in memory for tests of power failures. It records for each file,
// page and name which state was synced. [FS.Crash] returns one of the states that a failure may
// leave: each page of each file has any version since its last sync, or is torn between two of
// them; each length and each name is of any version too. Operations can also fail: Fault decides
// for each.
//
// All folders exist from the beginning, and each is synced by itself.
//
// It has the methods of package journal's file system, without importing it: F is that package's
// interface for files.
package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
)

// ErrCrashed is returned by the operation during which the crash happens, and by all later ones.
var ErrCrashed = errors.New("crashfs: crashed")

// FS is the file system. Tests may set its fields before use, or with Mu held.
type FS[F any] struct {
	Mu      sync.Mutex
	Names   map[string]*Inode // as programs see it
	durable map[string]*Inode // as of the last SyncDir
	Locked  map[string]bool
	Calls   map[string]int // of each kind of operation
	Handles int            // files that are open

	Ops     int // number of operations that change something
	CrashAt int // number of the operation during which the crash happens; 0 for never

	// Fault, if set, is called before each operation; if it returns an error, the operation fails
	// with it.
	Fault func(op, name string) error
	// ShortWrite, if positive, is the number of bytes that a failing write still writes.
	ShortWrite int
	// Hold, if set, is called in each Sync, without the lock.
	Hold func(name string)

	as        func(File) F
	errLocked error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// Inode holds one version of its content for each change since the last sync; the first is the
// synced one.
type Inode struct{ Versions [][]byte }

// Data returns the content as programs see it.
func (n *Inode) Data() []byte { return n.Versions[len(n.Versions)-1] }

// New returns an empty file system. as converts its files to F; Lock returns errLocked for a lock
// that is held.
func New[F any](as func(File) F, errLocked error) *FS[F] {
	return &FS[F]{
		Names: map[string]*Inode{}, durable: map[string]*Inode{}, Locked: map[string]bool{}, Calls: map[string]int{},
		as: as, errLocked: errLocked,
	}
}

// begin counts an operation. The operation during which the crash happens takes effect, unsynced.
func (m *FS[F]) begin(op, name string, changes bool) (crash, err error) {
	if err := m.refuse(op, name); err != nil {
		return nil, err
	}
	if m.CrashAt > 0 && m.Ops >= m.CrashAt {
		return nil, ErrCrashed
	}
	if changes {
		m.Ops++
		if m.Ops == m.CrashAt {
			return ErrCrashed, nil
		}
	}
	return nil, nil
}

// refuse counts an operation and returns Fault's error for it.
func (m *FS[F]) refuse(op, name string) error {
	m.Calls[op]++
	if m.Fault == nil {
		return nil
	}
	return m.Fault(op, filepath.Base(name))
}

// Crash returns the file system after a power failure. With mode 0 all changes that were not synced
// are lost, with 1 none. With other modes each page of each file is of any version since the sync,
// or torn between two; each length and each name is of any version too.
func (m *FS[F]) Crash(rng *rand.Rand, mode int) *FS[F] {
	return m.CrashEach(rng, func(string) int { return mode })
}

// CrashEach is Crash with a mode for each file, by its name.
func (m *FS[F]) CrashEach(rng *rand.Rand, modeOf func(name string) int) *FS[F] {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	after := New(m.as, m.errLocked)
	all := maps.Clone(m.durable)
	maps.Copy(all, m.Names)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n, ok := m.durable[name]
		mode := modeOf(name)
		if mode == 1 || mode > 1 && rng.IntN(2) == 0 {
			n, ok = m.Names[name]
		}
		if !ok {
			continue
		}
		content := slices.Clone(n.Versions[0])
		switch {
		case mode == 1:
			content = slices.Clone(n.Data())
		case mode > 1:
			content = n.torn(rng)
		}
		after.Names[name] = &Inode{Versions: [][]byte{content}}
	}
	after.durable = maps.Clone(after.Names)
	return after
}

// Kill returns the file system as it is after its process was killed: no change is lost, and no
// further one is synced.
func (m *FS[F]) Kill() *FS[F] {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	after := New(m.as, m.errLocked)
	after.Names, after.durable = maps.Clone(m.Names), maps.Clone(m.durable)
	return after
}

func (n *Inode) torn(rng *rand.Rand) []byte {
	const page = 64
	any := func() []byte { return n.Versions[rng.IntN(len(n.Versions))] }
	content := make([]byte, len(any()))
	for at := 0; at < len(content); at += page {
		cut := page
		if rng.IntN(3) == 0 {
			cut = rng.IntN(page)
		}
		first, second := any(), any()
		for i := at; i < min(at+page, len(content)); i++ {
			from := first
			if i-at >= cut {
				from = second
			}
			if i < len(from) {
				content[i] = from[i]
			}
		}
	}
	return content
}

// Abs returns dir: there is no working directory.
func (m *FS[F]) Abs(dir string) (string, error) { return dir, nil }

// MkdirAll does nothing: every folder exists.
func (m *FS[F]) MkdirAll(string) error { return nil }

// ReadDir returns the names of the files in a folder.
func (m *FS[F]) ReadDir(dir string) ([]string, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if _, err := m.begin("readdir", dir, false); err != nil {
		return nil, err
	}
	var names []string
	for name := range m.Names {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// Create makes a file. It replaces an existing one of that name.
func (m *FS[F]) Create(name string) (file F, err error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	crash, err := m.begin("create", name, true)
	if err != nil {
		return file, err
	}
	n := &Inode{Versions: [][]byte{nil}}
	m.Names[name] = n
	if crash == nil {
		m.Handles++
	}
	return m.as(&openFile[F]{m, n, name}), crash
}

// Open opens a file for reading and writing.
func (m *FS[F]) Open(name string) (F, error) { return m.open("open", name) }

// OpenRead opens a file for reading.
func (m *FS[F]) OpenRead(name string) (F, error) { return m.open("openread", name) }

func (m *FS[F]) open(op, name string) (file F, err error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if _, err := m.begin(op, name, false); err != nil {
		return file, err
	}
	n, ok := m.Names[name]
	if !ok {
		return file, fs.ErrNotExist
	}
	m.Handles++
	return m.as(&openFile[F]{m, n, name}), nil
}

// Rename gives a file a new name.
func (m *FS[F]) Rename(from, to string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	crash, err := m.begin("rename", to, true)
	if err != nil {
		return err
	}
	if m.Names[from] == nil {
		return fs.ErrNotExist
	}
	m.Names[to] = m.Names[from]
	delete(m.Names, from)
	return crash
}

// Remove removes a name.
func (m *FS[F]) Remove(name string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	crash, err := m.begin("remove", name, true)
	if err != nil {
		return err
	}
	if _, ok := m.Names[name]; !ok {
		return fs.ErrNotExist
	}
	delete(m.Names, name)
	return crash
}

// SyncDir makes the names in a folder durable.
func (m *FS[F]) SyncDir(dir string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	crash, err := m.begin("syncdir", dir, true)
	if err != nil || crash != nil {
		return errors.Join(err, crash)
	}
	in := func(name string, _ *Inode) bool { return filepath.Dir(name) == filepath.Clean(dir) }
	maps.DeleteFunc(m.durable, in)
	for name, n := range m.Names {
		if in(name, n) {
			m.durable[name] = n
		}
	}
	return nil
}

// Lock takes a lock. The file systems that Crash and Kill return have no locks held.
func (m *FS[F]) Lock(name string) (io.Closer, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if _, err := m.begin("lock", name, false); err != nil {
		return nil, err
	}
	if m.Locked[name] {
		return nil, m.errLocked
	}
	m.Locked[name] = true
	return heldLock[F]{m, name}, nil
}

type heldLock[F any] struct {
	m    *FS[F]
	name string
}

func (l heldLock[F]) Close() error {
	l.m.Mu.Lock()
	defer l.m.Mu.Unlock()
	delete(l.m.Locked, l.name)
	return nil
}

type openFile[F any] struct {
	m    *FS[F]
	n    *Inode
	name string
}

func (f *openFile[F]) ReadAt(b []byte, offset int64) (int, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	if _, err := f.m.begin("read", f.name, false); err != nil {
		return 0, err
	}
	data := f.n.Data()
	if offset >= int64(len(data)) {
		return 0, io.EOF
	}
	n := copy(b, data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *openFile[F]) WriteAt(b []byte, offset int64) (int, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	crash, err := f.m.begin("write", f.name, true)
	if err != nil {
		if f.m.ShortWrite == 0 {
			return 0, err
		}
		b = b[:min(len(b), f.m.ShortWrite)]
	}
	data := slices.Clone(f.n.Data())
	if missing := int(offset) + len(b) - len(data); missing > 0 {
		data = append(data, make([]byte, missing)...)
	}
	copy(data[offset:], b)
	f.n.Versions = append(f.n.Versions, data)
	return len(b), errors.Join(err, crash)
}

func (f *openFile[F]) Truncate(size int64) error {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	crash, err := f.m.begin("truncate", f.name, true)
	if err != nil {
		return err
	}
	data := make([]byte, size)
	copy(data, f.n.Data())
	f.n.Versions = append(f.n.Versions, data)
	return crash
}

func (f *openFile[F]) Sync() error {
	f.m.Mu.Lock()
	hold := f.m.Hold
	f.m.Mu.Unlock()
	if hold != nil {
		hold(f.name)
	}
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	crash, err := f.m.begin("sync", f.name, true)
	if err != nil || crash != nil {
		return errors.Join(err, crash)
	}
	f.n.Versions = [][]byte{f.n.Data()}
	return nil
}

func (f *openFile[F]) Size() (int64, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	return int64(len(f.n.Data())), f.m.refuse("size", f.name)
}

// Close closes the file, also if Fault returns an error.
func (f *openFile[F]) Close() error {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	f.m.Handles--
	return f.m.refuse("close", f.name)
}
