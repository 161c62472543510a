package sim

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// history writes one line for each event, and computes a digest of all lines. It is nil if neither
// is wanted.
type history struct {
	out    io.Writer
	digest hash.Hash
}

func newHistory(s *Config) *history {
	h := &history{}
	if s.Digest {
		h.digest = sha256.New()
		h.out = h.digest
	}
	if s.Trace != nil {
		h.out = s.Trace
		if s.Digest {
			h.out = io.MultiWriter(h.digest, s.Trace)
		}
	}
	if h.out == nil {
		return nil
	}
	return h
}

func (h *history) sum() (digest [32]byte) {
	if h != nil && h.digest != nil {
		h.digest.Sum(digest[:0])
	}
	return digest
}

// line writes a line. It is cheap if h is nil; callers on hot paths check that before they make
// arguments.
func (h *history) line(now time.Duration, who, format string, args ...any) {
	if h == nil {
		return
	}
	fmt.Fprintf(h.out, "%13.6fs %-8s %s\n", now.Seconds(), who, fmt.Sprintf(format, args...))
}

// effect writes a line for an effect, with all of its bytes.
func (h *history) effect(now time.Duration, who string, e *core.Effect) {
	if h == nil {
		return
	}
	switch e.Kind {
	case core.Verify:
		st := e.Statement
		what := "node"
		switch {
		case st.Proposal == nil && st.Certificate != nil:
			what = "certificate"
		case st.Proposal == nil:
			what = fmt.Sprintf("%d votes on %s epoch %d, suspects %d, prove %v", st.Signers.Count(), short(&st.Subject.Chunk), st.Subject.Epoch,
				st.Suspects.Count(), st.EachVote)
		default:
			what += " " + short(&st.Proposal.Chunk)
		}
		h.line(now, who, "  verify %d: %s, alone %v", st.Tag, what, st.Unbatched)
	case core.Append:
		h.line(now, who, "  append %d: %x", e.Position, e.Bytes)
	case core.Release:
		h.line(now, who, "  release %d", e.Position)
	case core.SendNode, core.SendAck:
		h.line(now, who, "  %v to %d: %x", e.Kind, len(e.Recipients), e.Bytes)
	case core.Report:
		h.line(now, who, "  report %s: %x", e.Activity.Tag(), e.Activity.AppendTo(nil))
	case core.Cancel:
		h.line(now, who, "  cancel call %d", e.Call)
	case core.Halt:
		h.line(now, who, "  halt: %v", e.Err)
	case core.AskVerify, core.AskPropose, core.SignAck, core.SignChunk:
		h.line(now, who, "  %v, call %d, %s epoch %d", e.Kind, e.Call, short(&e.Chunk), e.Epoch)
	default:
		h.line(now, who, "  %v %s epoch %d", e.Kind, short(&e.Chunk), e.Epoch)
	}
}

func short(c *wire.Chunk) string {
	return fmt.Sprintf("%x/%d=%x", c.Sequencer[:2], c.Height, c.Payload[:4])
}
