package core

import "github.com/lanecast/lanecast/wire"

// faults returns the faults reported.
func (r *rig) faults() (all []wire.Activity) {
	for _, e := range r.reports {
		if tag := e.Activity.Tag(); tag != wire.TagTip && tag != wire.TagLock {
			all = append(all, e.Activity)
		}
	}
	return all
}

// locks returns the locks reported.
func (r *rig) locks() (all []wire.Lock) {
	for _, e := range r.reports {
		if c, ok := e.Activity.(*wire.Certified); ok {
			all = append(all, c.Lock)
		}
	}
	return all
}

// tips returns the chunks reported as tips.
func (r *rig) tips() (all []wire.Chunk) {
	for _, e := range r.reports {
		if t, ok := e.Activity.(*wire.Tip); ok {
			all = append(all, t.Proposal.Chunk)
		}
	}
	return all
}

func fault[T wire.Activity](r *rig) T {
	r.t.Helper()
	all := r.faults()
	if len(all) != 1 {
		r.t.Fatalf("%d faults reported, want one", len(all))
	}
	f, ok := all[0].(T)
	if !ok {
		r.t.Fatalf("reported a %s", all[0].Tag())
	}
	return f
}
