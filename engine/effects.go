package engine

import (
	"fmt"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// carryOut executes the effects of the core, or hands them to other goroutines. An error is fatal.
// It comes from the journal, and nothing after a failed append may become visible; or the core has
// found that the journal is stale.
func (e *Engine) carryOut() error {
	effects := e.core.Effects()
	if len(effects) == 0 {
		return nil
	}
	for i := range effects {
		f := &effects[i]
		switch f.Kind {
		case core.Verify:
			e.statements = append(e.statements, f.Statement)
		case core.Append:
			at, err := e.journal.Append(f.Bytes)
			if err != nil {
				return fmt.Errorf("%w: appending: %w", ErrJournal, err)
			}
			if uint64(at) != f.Position {
				return fmt.Errorf("%w: record %d was given position %d", ErrJournal, f.Position, at)
			}
		case core.Release:
			e.journal.Release(journal.Position(f.Position))
		case core.SignChunk:
			e.signChunk(f.Call, f.Chunk)
		case core.SignAck:
			e.signAck(f.Call, wire.Subject{Chunk: f.Chunk, Epoch: f.Epoch}, f.Signer)
		case core.SendNode, core.SendAck, core.SendCertificate, core.Broadcast:
			e.post(*f)
		case core.AskPropose:
			e.askPropose(f.Call, placeOf(f))
		case core.AskVerify:
			e.askVerify(f.Call, placeOf(f), f.Chunk.Payload)
		case core.Cancel:
			e.cancelCall(f.Call)
		case core.Report:
			e.report(f)
		case core.Warn:
			e.log.Warn("a chunk cannot be proposed, sent or verified", "error", f.Err,
				"sequencer", f.Chunk.Sequencer, "height", f.Chunk.Height)
		case core.Halt:
			return fmt.Errorf("engine: %w; this folder is a copy or was put back to an older state, so do not use it again: "+
				"start in an empty folder with Journal.Recover", f.Err)
		default:
			return fmt.Errorf("engine: effect %v is not known", f.Kind)
		}
	}
	if len(e.statements) > 0 { // all together, or an idle worker would make a batch of the first alone
		e.verifier.Submit(e.statements...)
		e.statements = shrink.Slice(e.statements, maxKept)
	}
	e.core.Done()
	return nil
}

func placeOf(f *core.Effect) Place { return Place{f.Chunk.Sequencer, f.Chunk.Height, f.Parent} }
