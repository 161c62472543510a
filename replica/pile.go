package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// pile keeps the headers that a long walk has found on disk, as a stack of pages: a walk goes down,
// and delivery goes up. In memory a page, of 128 headers or more, takes 64 bytes. The file is never
// synced: all its content is compared with the lock that it begins with.
//
//	magic "lanewalk" ‖ u32 length ‖ Lock ‖ pages, each: u32 number of headers ‖ u32 length ‖ headers, descending
//
// Integers are little-endian.
type pile struct {
	fs    journal.FS
	name  string
	file  journal.File
	lock  wire.Lock
	pages []pilePage
	end   int64 // of the file
	low   uint64
	below wire.Digest // the parent of the lowest header in the file, or the lock's payload
}

// pilePage is the place of a page in a pile.
type pilePage struct {
	offset int64
	length int
	count  int
	height uint64      // of its highest header
	digest wire.Digest // of its highest header
}

const (
	pileMagic    = "lanewalk"
	pileHead     = len(pileMagic) + 4
	pilePageHead = 8
	maxPileLock  = 16 << 20
)

var (
	// errPile: the file is damaged, or not the file of this walk. It is made again.
	errPile = errors.New("the file is damaged")
	// errWalkFile: the file of a walk cannot be read or written, or is damaged. The walk begins
	// again.
	errWalkFile = errors.New("replica: the file of a walk")
)

// createPile makes the pile of a walk that begins at a lock.
func createPile(fsys journal.FS, name string, k *wire.Lock) (*pile, error) {
	file, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	encoded := k.AppendTo(make([]byte, 0, k.Size()))
	head := binary.LittleEndian.AppendUint32([]byte(pileMagic), uint32(len(encoded)))
	head = append(head, encoded...)
	if _, err := file.WriteAt(head, 0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &pile{fs: fsys, name: name, file: file, lock: *k, end: int64(len(head)), low: k.Chunk.Height + 1, below: k.Chunk.Payload}, nil
}

// openPile reads the pile of an earlier run up to the first damaged page. It does not verify the
// lock. The error matches errPile or fs.ErrNotExist, or is the file system's.
func openPile(fsys journal.FS, name string, digest func(*payload.Header) wire.Digest, maxPayload uint64) (*pile, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	p := &pile{fs: fsys, name: name, file: file}
	if err := p.read(digest, maxPayload); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return p, nil
}

func (p *pile) read(digest func(*payload.Header) wire.Digest, maxPayload uint64) error {
	size, err := p.file.Size()
	if err != nil {
		return err
	}
	head := make([]byte, pileHead)
	if size < int64(pileHead) {
		return errPile
	}
	if _, err := p.file.ReadAt(head, 0); err != nil {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(head[len(pileMagic):]))
	if string(head[:len(pileMagic)]) != pileMagic || length > maxPileLock || int64(pileHead)+length > size {
		return errPile
	}
	encoded := make([]byte, length)
	if _, err := p.file.ReadAt(encoded, int64(pileHead)); err != nil {
		return err
	}
	if p.lock.DecodeStored(encoded) != nil {
		return errPile
	}
	p.end, p.low, p.below = int64(pileHead)+length, p.lock.Chunk.Height+1, p.lock.Chunk.Payload
	for p.low > 0 {
		page := pilePage{offset: p.end, height: p.low - 1, digest: p.below}
		var head [pilePageHead]byte
		if size-p.end < pilePageHead {
			break
		}
		if _, err := p.file.ReadAt(head[:], p.end); err != nil {
			return err
		}
		page.count, page.length = int(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:]))
		if page.count < 1 || page.count > pageOfHeaders || page.length > pageOfHeaders*payload.MaxHeaderSize || int64(page.length) > size-p.end-pilePageHead {
			break
		}
		headers, err := p.load(page, digest, maxPayload)
		if errors.Is(err, errPile) {
			break
		} else if err != nil {
			return err
		}
		p.add(page, headers)
	}
	return nil
}

// add adds a page of the file to the stack.
func (p *pile) add(page pilePage, headers []payload.Header) {
	p.pages = append(p.pages, page)
	lowest := &headers[len(headers)-1]
	p.end += pilePageHead + int64(page.length)
	p.low, p.below = lowest.Height, lowest.Parent
}

// push adds headers below those in the pile, in pages of most headers or fewer; pop returns one
// page at once. An error leaves the pile as it was.
func (p *pile) push(headers []payload.Header, most int) error {
	var pages [][]payload.Header
	b := make([]byte, 0, len(headers)*payload.MaxHeaderSize+(1+len(headers)/most)*pilePageHead)
	for page := range slices.Chunk(headers, most) {
		begin := len(b)
		b = append(b, make([]byte, pilePageHead)...)
		for i := range page {
			b = page[i].AppendTo(b)
		}
		binary.LittleEndian.PutUint32(b[begin:], uint32(len(page)))
		binary.LittleEndian.PutUint32(b[begin+4:], uint32(len(b)-begin-pilePageHead))
		pages = append(pages, page)
	}
	if _, err := p.file.WriteAt(b, p.end); err != nil {
		return err
	}
	for _, page := range pages {
		length := int(binary.LittleEndian.Uint32(b[4:]))
		p.add(pilePage{offset: p.end, length: length, count: len(page), height: p.low - 1, digest: p.below}, page)
		b = b[pilePageHead+length:]
	}
	return nil
}

// load reads a page and compares it with the digest of its highest header.
func (p *pile) load(page pilePage, digest func(*payload.Header) wire.Digest, maxPayload uint64) ([]payload.Header, error) {
	b := make([]byte, page.length)
	if _, err := p.file.ReadAt(b, page.offset+pilePageHead); err != nil {
		return nil, err
	}
	headers := make([]payload.Header, page.count)
	want, height := page.digest, page.height
	for i := range headers {
		h := &headers[i]
		n, err := h.DecodePrefix(b, maxPayload)
		if err != nil || h.Sequencer != p.lock.Chunk.Sequencer || h.Height != height || digest(h) != want || h.Height == 0 && i < len(headers)-1 {
			return nil, errPile
		}
		b, want, height = b[n:], h.Parent, height-1
	}
	if len(b) > 0 {
		return nil, errPile
	}
	return headers, nil
}

// pop removes the lowest page and returns its headers.
func (p *pile) pop(digest func(*payload.Header) wire.Digest, maxPayload uint64) ([]payload.Header, error) {
	page := p.pages[len(p.pages)-1]
	headers, err := p.load(page, digest, maxPayload)
	if err == nil {
		p.pages = p.pages[:len(p.pages)-1]
	}
	return headers, err
}

// close closes the file, and removes it if remove is set.
func (p *pile) close(remove bool) error {
	err := p.file.Close()
	if remove {
		err = errors.Join(err, p.fs.Remove(p.name))
	}
	return err
}

// pileOf returns the pile for a walk from a lock down to height end: the pile of an earlier run if
// it is usable, or else a new one. After the pile of an earlier run is used up, the lane is walked
// again, for the locks that came meanwhile.
func (r *Replica) pileOf(ctx context.Context, k *wire.Lock, end uint64) (*pile, error) {
	name := filepath.Join(r.walks, k.Chunk.Sequencer.String())
	p, err := openPile(r.fs, name, r.digestOf, uint64(r.cfg.MaxPayload))
	switch {
	case errors.Is(err, errPile), errors.Is(err, fs.ErrNotExist):
		return createPile(r.fs, name, k)
	case err != nil:
		return nil, err
	}
	if p.lock.Chunk.Sequencer == k.Chunk.Sequencer && p.lock.Chunk.Height >= end {
		verdicts, err := r.engine.VerifyLocks(ctx, []wire.Lock{p.lock})
		if err != nil {
			return nil, errors.Join(err, p.close(false))
		}
		if verdicts[0] == nil {
			return p, nil
		}
	}
	if err := p.close(false); err != nil {
		return nil, err
	}
	return createPile(r.fs, name, k)
}

func (r *Replica) digestOf(h *payload.Header) wire.Digest { return payload.Digest(r.cfg.Namespace, h) }

// walkFar walks a lane down whose lock is more than a page above the proven chunks. It proves the
// headers page by page, as the host takes the chunks. It waits for no other walk: the host may need
// this lane before it takes more of the others.
func (r *Replica) walkFar(ctx context.Context, l *lane, k *wire.Lock, end uint64) error {
	p, err := r.pileOf(ctx, k, end)
	if err != nil {
		return fmt.Errorf("%w: %w", errWalkFile, err)
	}
	err = r.fillPile(ctx, p, end)
	if err == nil {
		err = r.emptyPile(ctx, l, p)
	}
	// An interrupted walk continues in the next run. After a fork the headers stay for the
	// operator.
	if failed := p.close(err == nil && l.stopped() == nil || errors.Is(err, errPile)); failed != nil && err == nil {
		err = fmt.Errorf("%w: %w", errWalkFile, failed)
	}
	return err
}

// fillPile walks down to height end.
func (r *Replica) fillPile(ctx context.Context, p *pile, end uint64) error {
	w := r.newWalker()
	for p.low > end {
		at := message.Place{Sequencer: p.lock.Chunk.Sequencer, Height: p.low - 1}
		headers, err := w.page(ctx, at, p.below, int(min(p.low-end, pageOfHeaders)))
		if err != nil {
			return uncarried(err, at.Height)
		}
		if err := p.push(headers, r.cfg.window); err != nil {
			return fmt.Errorf("%w: %w", errWalkFile, err)
		}
	}
	return nil
}

// emptyPile proves the headers of the pile from the lowest page up, one page ahead of the host.
func (r *Replica) emptyPile(ctx context.Context, l *lane, p *pile) error {
	for len(p.pages) > 0 {
		if err := l.awaitWindow(ctx, r.cfg.window); err != nil {
			return err
		}
		headers, err := p.pop(r.digestOf, uint64(r.cfg.MaxPayload))
		if err != nil {
			return fmt.Errorf("%w: %w", errWalkFile, err)
		}
		l.mu.Lock()
		end := l.end()
		l.mu.Unlock()
		if headers[0].Height < end {
			continue // a page of an earlier run
		}
		if lowest := headers[len(headers)-1].Height; lowest < end {
			headers = headers[:uint64(len(headers))-(end-lowest)]
		}
		if err := r.keepHeaders(ctx, headers); err != nil {
			return err
		}
		digests := make([]wire.Digest, len(headers))
		for i := range headers {
			digests[len(headers)-1-i] = r.digestOf(&headers[i])
		}
		l.mu.Lock()
		r.prove(l, &p.lock, headers[len(headers)-1].Height, digests, headers[len(headers)-1].Parent)
		failed := l.failure
		l.mu.Unlock()
		if failed != nil {
			return nil
		}
	}
	return nil
}

// awaitWindow waits until fewer than window chunks are proven and not handed over.
func (l *lane) awaitWindow(ctx context.Context, window int) error {
	for {
		l.mu.Lock()
		room, changed := len(l.proven) < window, l.changed
		l.mu.Unlock()
		if room {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// openWalks makes the folder of piles, and removes the piles that belong to no known lane.
func (r *Replica) openWalks() error {
	r.fs = r.cfg.Archive.FS
	if r.fs == nil {
		r.fs = journal.OS()
	}
	dir, err := r.openFolder("walks")
	if err != nil {
		return err
	}
	r.walks = dir
	names, err := r.fs.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(r.allLanes(), func(l *lane) bool { return l.id.String() == name }) {
			if err := r.fs.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("replica: %w", err)
			}
		}
	}
	return nil
}
