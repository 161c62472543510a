package batch

import (
	"reflect"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// rememberedSets bounds the exposures: the sets in which a vote was last proven invalid, one per epoch in bounds and a
// few more.
const rememberedSets = 8

// exposures says which validators had a vote proven invalid lately, by scheme and epoch: suspicion ends with the epochs in
// bounds, also where one scheme serves many. It is a hint, about what to try first: votes of theirs are left out where
// the others make the quorum, and nothing is held against them for it.
//
// A table is immutable; a new exposure makes a new one. So workers read it without a lock, and know by the pointer
// whether anything has been added since they last looked.
type exposures struct {
	sets []exposed // least recently added to first
}

type exposed struct {
	scheme  verify.Scheme
	epoch   uint64
	signers wire.Signers
}

func (e *exposed) is(scheme verify.Scheme, epoch uint64) bool {
	return e.epoch == epoch && e.scheme == scheme
}

// of returns the validators of scheme that are exposed in epoch; false if none are.
func (e *exposures) of(scheme verify.Scheme, epoch uint64) (wire.Signers, bool) {
	if e == nil || !canCompare(scheme) {
		return wire.Signers{}, false
	}
	for i := range e.sets {
		if e.sets[i].is(scheme, epoch) {
			return e.sets[i].signers, true
		}
	}
	return wire.Signers{}, false
}

// canCompare reports whether scheme can be compared without a panic: an embedder's may be a struct with a slice in it.
// Such schemes get no hints.
func canCompare(scheme verify.Scheme) bool { return reflect.ValueOf(scheme).Comparable() }

// exposureTable is the exposures that all workers of a verifier share: each of them replaces the table.
type exposureTable struct{ atomic.Pointer[exposures] }

// add exposes signers, of n validators, in scheme and epoch.
func (x *exposureTable) add(scheme verify.Scheme, epoch uint64, n int, signers []wire.Participant) {
	if !canCompare(scheme) {
		return
	}
	for {
		old := x.Load()
		known, found := old.of(scheme, epoch)
		if found = found && known.Len() == n; found && hasAll(known, signers) {
			return
		}
		next := &exposures{sets: make([]exposed, 0, rememberedSets)}
		if old != nil {
			for _, e := range old.sets {
				if !e.is(scheme, epoch) {
					next.sets = append(next.sets, e)
				}
			}
			if len(next.sets) == rememberedSets {
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
		next.sets = append(next.sets, exposed{scheme, epoch, all})
		if x.CompareAndSwap(old, next) {
			return
		}
	}
}

func hasAll(s wire.Signers, ps []wire.Participant) bool {
	for _, p := range ps {
		if !s.Has(p) {
			return false
		}
	}
	return true
}
