package batch

import (
	"reflect"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// maxOffenderSets bounds the table: one set for each epoch within bounds, and a few more.
const maxOffenderSets = 8

// offenders lists, by scheme and epoch, the validators of whom a vote was recently proven invalid.
// Entries end with their epoch, also if one scheme serves many epochs. The list is a hint about
// what to try first: votes of offenders are left out if the others make the quorum. It blames no
// validator.
//
// A table is immutable; an addition makes a new one. So workers read it without a lock, and compare
// pointers to see whether it has changed since they last read it.
type offenders struct {
	sets []offenderSet // ordered by the last addition, oldest first
}

// offenderSet holds the offenders of one scheme and epoch.
type offenderSet struct {
	scheme  verify.Scheme
	epoch   uint64
	signers wire.Signers
}

func (e *offenderSet) is(scheme verify.Scheme, epoch uint64) bool {
	return e.epoch == epoch && e.scheme == scheme
}

// of returns the offenders of scheme in epoch; false if there are none.
func (o *offenders) of(scheme verify.Scheme, epoch uint64) (wire.Signers, bool) {
	if o == nil || !canCompare(scheme) {
		return wire.Signers{}, false
	}
	for i := range o.sets {
		if o.sets[i].is(scheme, epoch) {
			return o.sets[i].signers, true
		}
	}
	return wire.Signers{}, false
}

// canCompare reports whether scheme can be compared without a panic: an embedder's scheme may be a
// struct that contains a slice. For such schemes no offenders are remembered.
func canCompare(scheme verify.Scheme) bool { return reflect.ValueOf(scheme).Comparable() }

// offenderTable holds the current table, which all workers of a verifier read and replace.
type offenderTable struct{ atomic.Pointer[offenders] }

// add adds signers, of n validators, to the offenders of scheme in epoch.
func (t *offenderTable) add(scheme verify.Scheme, epoch uint64, n int, signers []wire.Participant) {
	if !canCompare(scheme) {
		return
	}
	for {
		old := t.Load()
		known, found := old.of(scheme, epoch)
		if found = found && known.Len() == n; found && containsAll(known, signers) {
			return
		}
		next := &offenders{sets: make([]offenderSet, 0, maxOffenderSets)}
		if old != nil {
			for _, e := range old.sets {
				if !e.is(scheme, epoch) {
					next.sets = append(next.sets, e)
				}
			}
			if len(next.sets) == maxOffenderSets {
				next.sets = append(next.sets[:0], next.sets[1:]...)
			}
		}
		all := wire.NewSigners(n)
		if found {
			all.AddAll(known)
		}
		for _, p := range signers {
			all.Add(p)
		}
		next.sets = append(next.sets, offenderSet{scheme, epoch, all})
		if t.CompareAndSwap(old, next) {
			return
		}
	}
}

func containsAll(s wire.Signers, ps []wire.Participant) bool {
	for _, p := range ps {
		if !s.Has(p) {
			return false
		}
	}
	return true
}
