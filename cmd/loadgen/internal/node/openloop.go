package node

import "time"

// feedOpen delivers the acks of this feeder's lanes when they are due, and each chunk's node before
// its first ack. Lane l is a fraction l/lanes of a chunk behind lane 0, so that chunks complete
// evenly and not all at once. The acks of all lanes and feeders together are due one by one,
// evenly, at the schedule's rate.
func (f *feeder) feedOpen(feeder, feeders int) {
	lanes, round := len(f.lanes), f.population.acksPerRound()
	var mine []*openLane
	for l := 1 + feeder; l < lanes; l += feeders {
		mine = append(mine, &openLane{index: l, offset: laneOffset(l, lanes, round)})
	}
	last := f.schedule.end()
	for step := 0; len(mine) > 0; step++ {
		for _, o := range mine {
			due := f.schedule.due(float64(step)*float64(lanes) + float64(o.index))
			if due >= last || !f.await(due) {
				return
			}
			if at := step - o.offset; at >= 0 && !f.step(o, at/round, at%round, due) {
				f.runDry()
				return
			}
		}
		if step%64 == 0 && !f.pause(0) {
			return
		}
	}
}

// openLane is a lane of an open run, with the acks of its current chunk.
type openLane struct {
	index, offset int
	acks          []sending
	completing    int
}

// step sends ack i of a lane's chunk, or the certificate in place of the completing one; false if
// the lane has no such chunk.
func (f *feeder) step(o *openLane, height, i int, due time.Duration) bool {
	if height >= f.lanes[o.index].Heights() {
		return false
	}
	if i == 0 {
		o.acks, o.completing = f.population.round(o.acks, f.random, height)
		f.node(o.index, height)
	}
	if f.certifies(o.index) {
		f.taken.Add(1)
		if i == o.completing {
			f.certificate(o.index, height, max(1, int64(due)))
		}
		return true
	}
	if i == o.completing {
		f.due[o.index][height].Store(max(1, int64(due)))
	}
	f.ackFrom(o.index, o.acks[i])
	return true
}

// pace is the shortest time that a feeder sleeps. Waking up for every ack would use the engine's
// time: at 90,000 acks/s it cost a fifth of the throughput. The resulting delay counts as latency.
const pace = 500 * time.Microsecond

// await waits until a time has come, and returns false if the run ends before. If it has passed
// already, await returns at once.
func (f *feeder) await(due time.Duration) bool {
	ahead := due - time.Since(f.began)
	if ahead <= 0 {
		if behind := -int64(ahead); behind > f.behind.Load() {
			f.behind.Store(behind) // feeders may overwrite each other: it is an indication
		}
		return true
	}
	for ahead > 0 {
		if !f.pause(max(ahead, pace)) {
			return false
		}
		ahead = due - time.Since(f.began)
	}
	return true
}
