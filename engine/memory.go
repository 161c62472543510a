package engine

// warnOfMemory tells the operator when MaxVoteBytes cannot hold the acks that an epoch needs at
// once: those for the next two heights of every lane. Acks beyond it are dropped and counted as
// no_room.
func (e *Engine) warnOfMemory(epoch uint64) {
	scheme, ok := e.cfg.Schemes.Scheme(epoch)
	if !ok {
		return
	}
	sequencers, ok := e.cfg.Sequencers.Sequencers(epoch)
	if !ok {
		return
	}
	f := scheme.Format()
	if need := 2 * len(sequencers) * f.Participants * f.AckSignature; need > e.cfg.MaxVoteBytes {
		e.log.Warn("MaxVoteBytes is too small for the epoch: acks will be dropped", "epoch", epoch,
			"lanes", len(sequencers), "validators", f.Participants, "MaxVoteBytes", e.cfg.MaxVoteBytes, "needed", need)
	}
}
