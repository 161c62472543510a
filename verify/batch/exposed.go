package batch

import (
	"reflect"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// rememberedSchemes bounds the exposures: the schemes in which a vote was last proven invalid, one per epoch in bounds
// and a few more.
const rememberedSchemes = 8

// exposures says which validators had a vote proven invalid lately, by scheme. It is a hint, about what to try first:
// votes of theirs are left out where the others make the quorum, and nothing is held against them for it.
//
// A table is immutable; a new exposure makes a new one. So workers read it without a lock, and know by the pointer
// whether anything has been added since they last looked.
type exposures struct {
	schemes []exposed // least recently added to first
}

type exposed struct {
	scheme  verify.Scheme
	signers wire.Signers
}

// of returns the validators of scheme that are exposed; false if none are.
func (e *exposures) of(scheme verify.Scheme) (wire.Signers, bool) {
	if e == nil || !canCompare(scheme) {
		return wire.Signers{}, false
	}
	for i := range e.schemes {
		if e.schemes[i].scheme == scheme {
			return e.schemes[i].signers, true
		}
	}
	return wire.Signers{}, false
}

// canCompare reports whether scheme can be compared without a panic: an embedder's may be a struct with a slice in it.
// Such schemes get no hints.
func canCompare(scheme verify.Scheme) bool { return reflect.ValueOf(scheme).Comparable() }

// exposureTable is the exposures that all workers of a verifier share: each of them replaces the table.
type exposureTable struct{ atomic.Pointer[exposures] }

// add exposes signers, of n validators, in scheme.
func (x *exposureTable) add(scheme verify.Scheme, n int, signers []wire.Participant) {
	if !canCompare(scheme) {
		return
	}
	for {
		old := x.Load()
		known, found := old.of(scheme)
		if found = found && known.Len() == n; found && hasAll(known, signers) {
			return
		}
		next := &exposures{schemes: make([]exposed, 0, rememberedSchemes)}
		if old != nil {
			for _, e := range old.schemes {
				if e.scheme != scheme {
					next.schemes = append(next.schemes, e)
				}
			}
			if len(next.schemes) == rememberedSchemes {
				next.schemes = append(next.schemes[:0], next.schemes[1:]...)
			}
		}
		all := wire.NewSigners(n)
		if found {
			all.AddAll(known)
		}
		for _, p := range signers {
			all.Add(p)
		}
		next.schemes = append(next.schemes, exposed{scheme, all})
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
