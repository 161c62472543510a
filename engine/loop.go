package engine

import (
	"fmt"
	"time"

	"github.com/lanecast/lanecast/internal/shrink"
)

// burst is the highest number of messages that one turn of the loop takes, so that verdicts and
// timers get their turn.
const burst = 256

// loop owns the core. It waits only when there is nothing to do.
func (e *Engine) loop() {
	updates, err := e.begin()
	if err != nil {
		e.fail(err)
		return
	}
	close(e.looping)
	e.greetAll(time.Since(e.began))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for e.ctx.Err() == nil {
		now := time.Since(e.began)
		if err := e.feed(now); err != nil {
			e.core.Fail()
			e.fail(err)
			return
		}
		if updates != nil {
			updates = e.pollEpochs(now, updates)
		}
		if due, ok := e.core.Deadline(); ok && due <= now {
			e.core.Tick(now)
		}
		more := e.takeIn(now)
		e.handleEvents(now)
		if err := e.carryOut(); err != nil {
			e.core.Fail()
			e.fail(err)
			return
		}
		e.watchOwnLane()
		e.watchSets()
		e.watchPool(now)
		if !more && (e.paused || e.inbox.Sleep()) {
			updates = e.sleep(timer, updates)
		}
	}
	// The effects of the last event are executed before the wait: calls end at once, reports are
	// drained.
	if err := e.carryOut(); err != nil {
		e.core.Fail()
		e.fail(err)
	}
}

// begin gets the epoch from the Monitor and starts the core.
func (e *Engine) begin() (<-chan uint64, error) {
	epoch, updates, err := e.cfg.Monitor.Epochs(e.ctx)
	if err != nil {
		if e.ctx.Err() != nil {
			return nil, nil // told to stop before it began
		}
		return nil, fmt.Errorf("%w: %w", ErrMonitor, err)
	}
	e.core.Start(time.Since(e.began), epoch, uint64(e.journal.Next()))
	e.announce("engine started", "lanes", len(e.core.Lanes()))
	for _, epoch := range e.core.EpochsNeeded() {
		e.checkSetLimits(epoch)
	}
	e.warnOfAbstaining()
	if err := e.adoptConfigured(); err != nil {
		if e.ctx.Err() != nil {
			return nil, nil // told to stop before it began
		}
		return nil, err
	}
	return updates, e.carryOut()
}

// feed passes the results of earlier effects to the core: durable positions, finished reports,
// verdicts. The error comes from the journal, or means that the pool was released.
func (e *Engine) feed(now time.Duration) error {
	if err := e.journal.Err(); err != nil {
		return fmt.Errorf("%w: %w; repair the disk, then start again with the same folder: it has everything that was sent",
			ErrJournal, err)
	}
	if durable := e.journal.Durable(); durable != e.durable {
		e.durable = durable
		e.core.Durable(now, uint64(durable))
	}
	e.core.Reported(now, e.reported.Load())
	if err := e.verifier.Err(); err != nil {
		return fmt.Errorf("engine: Config.Pool: %w; it must outlive Run", err)
	}
	e.verdicts = e.verifier.Verdicts(e.verdicts)
	for i := range e.verdicts {
		e.checkOwnChunk(&e.verdicts[i])
		e.core.SignaturesVerified(now, &e.verdicts[i])
	}
	e.verdicts = shrink.Slice(e.verdicts, maxKept)
	return nil
}

// onLoop makes the loop call do, soon. Any goroutine may call it. Once the loop has ended it does
// nothing.
func (e *Engine) onLoop(do func(now time.Duration)) {
	e.events.push(do)
	e.signal()
}

// handleEvents calls the functions that onLoop queued. A query is answered after the messages that
// were delivered before it, unless these are more than one burst.
func (e *Engine) handleEvents(now time.Duration) {
	for n := e.events.len(); n > 0; n-- { // functions that these queue in turn come with the next burst
		if do, _, ok := e.events.pop(); ok {
			do(now)
		}
	}
}

// takeIn passes a burst of messages to the core and reports whether more may wait. While the
// reporter or the disk is behind, it takes none, and the core asks for no payload: with a single
// validator nothing else would limit it.
func (e *Engine) takeIn(now time.Duration) (more bool) {
	behind := e.reports.len() >= e.cfg.MaxPendingReports || e.journal.Pending() >= e.cfg.MaxVolatileBytes
	if behind != e.paused {
		e.paused = behind
		e.core.Pause(now, behind)
		if behind {
			e.drops.pauses.Add(1)
		}
	}
	if behind {
		return false
	}
	for range burst {
		m, ok := e.inbox.Pop()
		if !ok {
			return false
		}
		e.take(now, m)
	}
	return true
}

// take passes one message to the core, and releases its buffer in any case.
func (e *Engine) take(now time.Duration, m message) {
	defer m.release()
	switch m.kind {
	case KindAck:
		e.core.Ack(now, m.from.state, m.buffer.Bytes())
	case KindNode:
		e.core.Node(now, m.from.state, m.buffer.Bytes())
	case KindCertificate:
		e.core.CertificateMessage(now, m.from.state, m.buffer.Bytes())
	}
}

// emptyInbox releases the messages that are left after the inbox was closed, including one whose
// push is still under way. Only the log reports their number: metrics end with the loop.
func (e *Engine) emptyInbox() {
	left := 0
	for e.inbox.Len() > 0 {
		if m, ok := e.inbox.Pop(); ok {
			m.release()
			left++
			continue
		}
		time.Sleep(10 * time.Microsecond) // one push between ticket and slot
	}
	if left > 0 {
		e.log.Info("stopped with messages not taken in", "messages", left)
	}
}

// pollEpochs enters the epochs that wait. It returns updates, or nil once there will be no more.
func (e *Engine) pollEpochs(now time.Duration, updates <-chan uint64) <-chan uint64 {
	for {
		select {
		case epoch, ok := <-updates:
			if !ok {
				return nil
			}
			e.enterEpoch(now, epoch)
		default:
			return updates
		}
	}
}

func (e *Engine) enterEpoch(now time.Duration, epoch uint64) {
	if epoch <= e.core.Epoch() {
		e.log.Warn("epoch is not above the current one, ignored", "epoch", epoch, "current", e.core.Epoch())
		return
	}
	e.core.SetEpoch(now, epoch)
	e.announce("epoch entered")
	e.watchSets()
	e.warnOfAbstaining()
}

// sleep waits until there may be work, and returns updates like pollEpochs.
func (e *Engine) sleep(timer *time.Timer, updates <-chan uint64) <-chan uint64 {
	var alarm <-chan time.Time
	if due, ok := e.core.Deadline(); ok {
		timer.Reset(due - time.Since(e.began))
		alarm = timer.C
	}
	messages := e.inbox.Wake()
	if e.paused {
		messages = nil
	}
	select {
	case <-messages:
	case <-e.wake:
	case <-alarm:
	case epoch, ok := <-updates:
		if !ok {
			return nil
		}
		e.enterEpoch(time.Since(e.began), epoch)
	case <-e.ctx.Done():
	}
	return updates
}
