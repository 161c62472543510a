package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// walker asks for headers of one lane, page by page downwards. A page names the digest that the
// next one begins with, so that the pages of a lane come one after another. Many lanes are walked
// at once.
type walker struct {
	*Replica
	// last is the peer that sent the last page. It is asked first for the next one. So if the first
	// peer of a lane is slow, the lane waits once until another peer is asked, and not for each
	// page.
	last wire.PublicKey
	// short holds the peers that have sent fewer headers than they were asked for. They are asked
	// last: with a peer that sends one header at a time, a walk would take a round trip for each.
	short map[wire.PublicKey]bool
}

func (r *Replica) newWalker() walker { return walker{Replica: r, short: make(map[wire.PublicKey]bool)} }

// maxPagesAsked bounds the pages of headers that are requested at once, of all lanes together. A
// page takes some 400 KiB of memory while it is received.
const maxPagesAsked = 24

// page returns headers as askHeaders does. Lanes take turns: a lane whose headers no peer sends
// pauses longer each time while others wait.
func (w *walker) page(ctx context.Context, at message.Place, digest wire.Digest, count int) ([]payload.Header, error) {
	pages, count := &w.bodies.pages, min(count, w.cfg.page)
	for turn := 0; ; turn = min(turn+1, mostTurns) {
		if err := pages.acquire(ctx, 1); err != nil {
			return nil, err
		}
		found, err := w.askHeaders(ctx, headersWanted{
			at: at, digest: digest, count: count, first: w.last, last: w.short,
			over: func(now, last time.Time) bool {
				return pages.waiting.Load() > 0 && now.Sub(last) > w.cfg.RequestTimeout
			},
		})
		pages.Release(1)
		if errors.Is(err, errTurn) {
			sleep(ctx, turnPause<<turn, nil)
			continue
		}
		if err == nil {
			w.last = found.from
			if len(found.headers) < count {
				w.last, w.short[found.from] = wire.PublicKey{}, true
			}
		}
		return found.headers, err
	}
}

// fetchHeader returns the header of a chunk from the archive, or from a peer.
func (r *Replica) fetchHeader(ctx context.Context, w *want) (payload.Header, error) {
	if head := r.archive.Head(w.Sequencer, w.Height); head.Digest == w.digest && head.State != archive.Absent && head.State != archive.Gone {
		return head.Header, nil
	}
	headers, err := r.askHeaders(ctx, headersWanted{at: w.Place, digest: w.digest, count: 1})
	if err != nil {
		return payload.Header{}, err
	}
	return headers.headers[0], nil
}

// headersWanted is a request for a header and those below it.
type headersWanted struct {
	at     message.Place
	digest wire.Digest
	count  int            // at most
	first  wire.PublicKey // the peer to ask first, if it is connected
	last   map[wire.PublicKey]bool
	over   func(now, last time.Time) bool
}

// headersFound holds headers in descending order, each the parent of the one before.
type headersFound struct {
	headers []payload.Header // one or more
	from    wire.PublicKey
}

// askHeaders asks peers for headers until one has sent some. The error is ctx's, a *misfitError, or
// errTurn.
func (r *Replica) askHeaders(ctx context.Context, q headersWanted) (found headersFound, err error) {
	var misfit *misfitError
	rank := r.rank(q.at)
	s := search{
		items: 1, typ: message.HeadersRequestType,
		request: func(int) []byte {
			return (&message.HeadersRequest{Place: q.at, Digest: q.digest, Count: uint32(q.count)}).AppendTo(nil)
		},
		accept: func(_ int, answer network.Message) (err error) {
			found.headers, misfit, err = r.takeHeaders(&q, answer)
			return err
		},
		rank: func(id wire.PublicKey) int {
			switch {
			case id == q.first:
				return 0
			case q.last[id]:
				return math.MaxInt
			}
			return 1 + rank(id)
		},
		pruned: r.prunedAt(q.at), over: q.over,
	}
	if err := s.run(ctx, r); err != nil {
		return found, err
	}
	if len(found.headers) == 0 && misfit != nil {
		return found, misfit
	}
	found.from = s.served
	return found, nil
}

// takeHeaders returns the headers of an answer. misfit is a header below the last of them, or the
// first one, that is of another place: the peer that sent it is honest.
func (r *Replica) takeHeaders(q *headersWanted, answer network.Message) (headers []payload.Header, misfit *misfitError, err error) {
	var got message.Headers
	if answer.Type != message.HeadersType {
		return nil, nil, fmt.Errorf("%w: an answer of type 0x%02x to a request for headers", errWrong, uint8(answer.Type))
	}
	if err := got.Decode(answer.Buffer.Bytes(), uint64(r.cfg.MaxPayload)); err != nil {
		return nil, nil, err
	}
	if len(got.Headers) == 0 || len(got.Headers) > q.count {
		return nil, nil, fmt.Errorf("%w: %d headers, %d were asked for", errWrong, len(got.Headers), q.count)
	}
	want, height := q.digest, q.at.Height
	for i := range got.Headers {
		h := &got.Headers[i]
		if payload.Digest(r.cfg.Namespace, h) != want {
			return nil, nil, fmt.Errorf("%w: header %d of the answer is another one", errWrong, i)
		}
		if h.Sequencer != q.at.Sequencer || h.Height != height {
			return got.Headers[:i], &misfitError{height, *h}, nil
		}
		want, height = h.Parent, height-1
	}
	r.counts.headersFetched.Add(uint64(len(got.Headers)))
	return got.Headers, nil, nil
}
