package engine

import (
	"log/slog"
	"strings"
)

// role is the last logged state of our part in an epoch.
type role struct {
	known bool   // the sets of the current epoch were known
	wrong string // the problems logged last, also in earlier epochs
}

// announce logs our role in the current epoch, which has just begun. Without that, a configuration
// in which this process does nothing would not be noticed.
func (e *Engine) announce(event string, more ...any) {
	epoch := e.core.Epoch()
	args := append([]any{"epoch", epoch}, more...)
	scheme, haveScheme := e.sets.Scheme(epoch)
	sequencers, haveSequencers := e.sets.usableSequencers(epoch)
	if e.role.known = haveScheme && haveSequencers; !e.role.known {
		e.log.Warn(event+", and its sets are not known: nothing is acked or proposed until they are",
			append(args, "validators known", haveScheme, "sequencers known", haveSequencers)...)
		return
	}
	var roles, wrong []string
	weights := scheme.Weights()
	args = append(args, "validators", len(scheme.Participants()), "quorum", weights.Quorum(), "sequencers", len(sequencers))
	if !weights.Equal() { // then the quorum is a weight
		args = append(args, "weight", weights.Total())
	}

	me, validator := scheme.Index(e.cfg.Identity)
	hasSigner := e.cfg.Schemes.AckSigner(epoch) != nil
	switch {
	case validator && !hasSigner:
		wrong = append(wrong, "we are a validator, and Schemes has no AckSigner yet: nothing is acked without one")
	case !validator && hasSigner:
		wrong = append(wrong, "Schemes has an AckSigner, and Identity is not among the validators: nothing is acked")
	}
	if validator {
		roles = append(roles, "validator")
		args = append(args, "participant", me)
		if !weights.Equal() {
			args = append(args, "our weight", weights.Of(me))
		}
	}
	listed := false
	for _, key := range sequencers {
		listed = listed || key == e.cfg.Identity
	}
	switch {
	case listed && e.cfg.Sequencer == nil:
		wrong = append(wrong, "we are a sequencer, and Sequencer is not set: nothing is proposed")
	case !listed && e.cfg.Sequencer != nil:
		wrong = append(wrong, "Sequencer is set, and Identity is not among the sequencers: nothing is proposed")
	}
	if listed {
		roles = append(roles, "sequencer")
	}
	if len(roles) == 0 {
		roles = append(roles, "follower")
	}
	args = append(args, "role", strings.Join(roles, " and "))

	// The same problem in a later epoch need not be a mistake: sequencers and validators come and
	// go.
	level, text := slog.LevelInfo, strings.Join(wrong, "; ")
	if text != e.role.wrong && text != "" {
		level = slog.LevelWarn
	}
	e.role.wrong = text
	if text != "" {
		args = append(args, "but", text)
	}
	e.log.Log(e.ctx, level, event, args...)
}

// watchSets checks the sets that have become known since its last call.
func (e *Engine) watchSets() {
	if len(e.sets.learned) == 0 {
		return
	}
	for _, epoch := range e.sets.takeLearned() {
		e.checkSetLimits(epoch)
		if epoch != e.core.Epoch() || e.role.known {
			continue
		}
		if _, ok := e.sets.Scheme(epoch); ok { // the core sometimes asks for sequencers without it
			e.announce("the epoch's sets are known")
		}
	}
}
