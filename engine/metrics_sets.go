package engine

import (
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// setState is the part of the metrics about the current epoch's sets.
type setState struct {
	known                  bool // the other fields are set
	validators, sequencers int
	weight, quorum         uint64
	member                 bool // this process is a validator
	participation          []participation
}

// participation counts the acks of one validator, by their time of arrival.
type participation struct {
	core.Participation
	id wire.PublicKey
}

// setState runs on the loop. It covers the first MaxValidatorSeries validators, and always this
// one.
func (e *Engine) setState() (s setState) {
	epoch := e.core.Epoch()
	scheme, haveScheme := e.sets.Scheme(epoch)
	sequencers, haveSequencers := e.sets.usableSequencers(epoch)
	if !haveScheme || !haveSequencers {
		return s
	}
	weights := scheme.Weights()
	s = setState{
		known: true, validators: weights.Len(), sequencers: len(sequencers), weight: weights.Total(), quorum: weights.Quorum(),
	}
	_, s.member = scheme.Index(e.cfg.Identity)
	left := e.cfg.MaxValidatorSeries
	if left == 0 {
		return s
	}
	if s.member {
		left--
	}
	for id, counts := range e.core.Participations() {
		switch {
		case id == e.cfg.Identity:
		case left == 0:
			continue
		default:
			left--
		}
		s.participation = append(s.participation, participation{counts, id})
	}
	return s
}

const modulePath = "github.com/lanecast/lanecast"

// build returns the version of this module in the program, and that of Go. A program built from a
// checkout has the version "(devel)", or a version made from the commit.
var build = sync.OnceValues(func() (version, goVersion string) {
	version = "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, runtime.Version()
	}
	if info.Main.Path == modulePath {
		version = info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			version = m.Version
		}
	}
	return version, info.GoVersion
})
