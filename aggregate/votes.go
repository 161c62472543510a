package aggregate

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Config holds the limits of Votes.
type Config struct {
	// MaxBytes limits the memory of votes that wait for their quorum, in bytes.
	MaxBytes int
	// InFlight is the number of statements that may be in verification at once. Further candidates
	// wait and gather votes meanwhile. Statements that verify suspects' votes are counted, but do
	// not wait for a place. 0 means no limit.
	InFlight int
	// SuspectDelay is the time that a candidate waits for votes of other validators before votes of
	// suspects are verified.
	SuspectDelay time.Duration
	// Past is the number of heights, from the highest certified one down, for which a lane
	// remembers a certificate that it no longer holds.
	Past uint64
}

// Votes are the votes of all lanes, and the order in which they are verified. It is not safe for
// use by several goroutines.
type Votes struct {
	cfg         Config
	first, last uint64          // epochs within bounds
	sets        map[uint64]*Set // of epochs within bounds
	memory      memory

	touched  []waiting    // candidates that may have got a quorum since the last Next
	ready    queue        // candidates that have a quorum and wait for a free verification place
	delayed  queue        // candidates that wait for votes of non-suspects, or for another try
	inFlight int          // statements in verification
	taken    uint64       // number of statements so far
	next     []*Statement // the last result of Next
	suspects suspects
	checks   suspectChecks
	faults   keyFaults
	deadline time.Duration // when Next must be called
	counts   Counts
}

// Counts are cumulative numbers and a few gauges.
type Counts struct {
	Statements   uint64 // made of votes
	Failures     uint64 // statements that held an invalid vote or made no certificate
	Certificates uint64 // made of votes
	Invalid      uint64 // votes proven invalid
	KeyFaults    uint64 // statements that failed because keys of a set do not fit each other

	Suspects int // gauge: validators under suspicion
	Bytes    int // gauge: memory of votes
	Votes    int // gauge: votes that wait
	Ready    int // gauge: candidates that wait for a free verification place
}

// never is the deadline if nothing waits for time to pass.
const never = time.Duration(math.MaxInt64)

// New returns empty Votes.
func New(cfg Config) *Votes {
	return &Votes{
		cfg: cfg, sets: make(map[uint64]*Set), memory: newMemory(cfg.MaxBytes), suspects: make(suspects), deadline: never,
	}
}

// Counts returns the counts so far.
func (v *Votes) Counts() Counts {
	c := v.counts
	c.Suspects, c.Bytes, c.Votes, c.Ready = len(v.suspects), v.memory.bytes, v.memory.votes, v.ready.len()
	return c
}

// Statement is a quorum of a candidate's votes, to be verified. It goes to Resolve with its
// verdict.
type Statement struct {
	verify.Statement
	candidate *candidate
	made      time.Duration
}

// Next returns the statements to verify now, in order. The slice is reused by the next call.
func (v *Votes) Next(now time.Duration) []*Statement {
	clear(v.next)
	v.next, v.deadline = v.next[:0], never
	for _, w := range v.touched {
		if w.isOpen() {
			v.try(now, w.candidate)
		}
	}
	clear(v.touched)
	v.touched = v.touched[:0]
	v.retryFailed(now)
	v.checkDelayed(now)
	for v.mayVerify() {
		c := v.ready.pop()
		if c == nil {
			break
		}
		c.queued = false
		v.try(now, c)
	}
	return v.next
}

// Deadline returns the latest time for the next call of Next, false if nothing waits for time to
// pass.
func (v *Votes) Deadline() (time.Duration, bool) { return v.deadline, v.deadline != never }

// mayVerify reports whether a verification place is free.
func (v *Votes) mayVerify() bool { return v.cfg.InFlight == 0 || v.inFlight < v.cfg.InFlight }

// signersKept is the number of statements for which selection starts at the same validator. After
// that it starts at the next one, so that no validator is left out of certificates for good.
const signersKept = 256

// try makes a statement of a candidate's votes if the votes of validators that are not suspect
// suffice. While no place is free the candidate waits for one and gathers votes: the later signers
// are chosen, the more statements have the same ones, which makes a batch cheap. If those votes do
// not suffice, try verifies votes of suspects if there is no other validator left to wait for;
// otherwise it lets the candidate wait.
func (v *Votes) try(now time.Duration, c *candidate) {
	if c.queued {
		return
	}
	if c.trusted() {
		if !v.mayVerify() {
			c.queued = true
			v.ready.push(c, 0)
			return
		}
		first := wire.Participant(v.taken / signersKept % uint64(c.slot.set.size()))
		v.add(now, c, c.quorum(first), wire.Signers{})
		return
	}
	if !c.quorate() || c.slot.set.suspects.Len() == 0 {
		return
	}
	if v.mayCheck(now) && c.slot.allVoted(c.slot.set.suspects) {
		v.checkSuspects(now, c)
	} else {
		v.delay(now, c)
	}
}

// add makes a statement of votes for c. Those of suspects are proven before they are combined.
func (v *Votes) add(now time.Duration, c *candidate, signers, suspects wire.Signers) {
	s := c.slot
	s.reading++
	c.verifying = true
	v.inFlight++
	v.taken++
	v.counts.Statements++
	st := &Statement{candidate: c, made: now}
	st.Scheme, st.Slab, st.Signers, st.Suspects, st.MayDefer = s.set.scheme, s.slab, signers, suspects, true
	st.Subject = wire.Subject{
		Chunk: wire.Chunk{Sequencer: s.lane.sequencer, Height: s.height, Payload: c.payload}, Epoch: s.epoch,
	}
	if suspects.Len() > 0 {
		st.Unbatched = !v.checks.trusting
		v.checks.inFlight++
	}
	v.next = append(v.next, st)
}

// Resolution is the result of [Votes.Resolve], for the caller to act on.
type Resolution struct {
	// Certified is set when a certificate has been made. Lock holds it. The slot is still open:
	// Certify closes it.
	Certified bool
	Lock      wire.Lock
	// Offenders are invalid acks, one for each validator that was not known to have sent any
	// before. Their bytes are copies.
	Offenders []wire.Ack
	// InconsistentKeys is set, once per slot, when each vote is valid but their combination is not.
	InconsistentKeys *wire.InconsistentKeys
}

// Resolve ends a statement with its verdict. The caller calls it once for every statement.
func (v *Votes) Resolve(now time.Duration, st *Statement, verdict *verify.Verdict) (r Resolution) {
	c, s := st.candidate, st.candidate.slot
	v.inFlight--
	certified, undecided := verdict.Certificate != nil, len(verdict.Deferred) > 0
	if len(verdict.Invalid) > 0 || !certified && !undecided {
		v.counts.Failures++
	}
	r.Offenders = v.Blame(verdict) // must be called while the slab can be read
	retried := c.failures > 0
	// If a scheme proves no vote invalid and yet makes no certificate, the candidate would be tried
	// again all the time.
	fault := errors.Is(verdict.Err, verify.ErrInconsistentKeys) ||
		verdict.Err == nil && !certified && len(verdict.Invalid) == 0 && !undecided
	if fault && v.keyFault(now, st) {
		signers := st.Signers.Clone()
		for _, i := range verdict.Invalid {
			signers.Remove(i)
		}
		r.InconsistentKeys = &wire.InconsistentKeys{Subject: st.Subject, Signers: signers}
	}
	v.suspect(st.Scheme, verdict.Deferred)
	s.resolve(c, verdict.Invalid)
	if st.Suspects.Len() > 0 {
		v.checks.resolve(now, st, verdict, v.cfg.SuspectDelay)
	}
	switch {
	case certified:
		v.counts.Certificates++
		if retried {
			v.faults.end(now)
		}
		r.Certified = true
		r.Lock = wire.Lock{Chunk: st.Subject.Chunk, Epoch: st.Subject.Epoch, Certificate: verdict.Certificate}
	case s.closed:
	case fault:
		v.faults.waiting.push(c, now+v.cfg.SuspectDelay)
	case verdict.Err != nil:
		// There is no verdict and no invalid vote. The next statement may fail in the same way, and
		// further votes may never come.
		v.delay(now, c)
	case c.quorate():
		// Votes that came meanwhile may replace the invalid ones and those of new suspects.
		v.touched = append(v.touched, waitingOf(c, 0))
	}
	return r
}

// Blame makes the validators suspect whose votes a verdict proves invalid. It returns the votes of
// those that were not known to have sent an invalid one before.
func (v *Votes) Blame(verdict *verify.Verdict) (offenders []wire.Ack) {
	st := verdict.Statement
	for _, i := range verdict.Invalid {
		v.counts.Invalid++
		if !v.suspects.offend(st.Scheme.Participants()[i], v.last) {
			continue
		}
		offenders = append(offenders, wire.Ack{
			Chunk: st.Subject.Chunk, Epoch: st.Subject.Epoch, Participant: i, Signature: slices.Clone(st.Vote(i)),
		})
	}
	if len(offenders) > 0 {
		v.refreshSuspects()
	}
	return offenders
}
