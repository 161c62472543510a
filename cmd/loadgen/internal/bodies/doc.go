// Package bodies makes the load of runs whose chunks have bodies, and the members of such runs:
// replicas (package replica) whose host checks every delivered chunk.
//
// # A member
//
//	m, err := bodies.New(bodies.Config{
//		Name: "member 3", Namespace: namespace, Key: key, Sets: epochs, Lanes: sequencers,
//		Dir: dir, Create: firstStart,
//		Size: 256 << 10, Rate: 20, Seed: seed, Run: number,
//		Listen: listen, Addresses: addresses, Network: network.Config{…},
//		Archive: room, Keep: 10 * time.Second,
//		Recorder: recorder, Problems: problems, Metrics: registry, Logger: logger,
//	})
//	err = m.Start()               // the replica runs; nothing is proposed yet
//	for m.Peers() < others { … }  // wait for the others
//	m.Open(time.Now())            // or the moment agreed on: bodies are made from then on
//	before := m.Counters()
//	…
//	counted := m.Counters().Since(before)
//	m.End()                       // no more bodies are made
//	…                             // until measure.Settled of all members' counters
//	err = m.Stop()
//
// A member needs nothing of this process: others may be in other processes or on other hosts, as
// long as all have equal Namespace, Sets, Lanes and Seed. Each process has a Run of its own, a
// number that no run in the same folder had before: the time of its start is good enough. A member
// that was stopped or killed can be started again, in the same process or another one: Create is
// then false, and the file cursor.json in its folder holds the heights up to which it was
// delivered. [Member.Failed] receives the error of a replica that ended by itself.
//
// # What is measured
//
// [Recorder] gets each certificate with the time since its body was made, and each delivery
// likewise. With a rate, the time counts from when the body was due, so that a lane that falls
// behind does not look better than it is. [Member.Counters] returns all counters, and encodes as
// JSON (measure.Bodies). report.NewBodies makes a result from the counters of all members.
// Latencies of several processes are merged from their histograms (measure.Latencies).
// [measure.Bodies.Level] reports whether a member that was away has caught up, and
// [measure.Settled] whether everything made is delivered everywhere.
//
// The CPU time of making and checking bodies is counted apart, and is not in a result's CPU time,
// on systems that tell the CPU time of a thread.
//
// # What is checked
//
// A body is keystream that follows from the seed, the run, its length, the lane, the height and the
// time of its making, which its first bytes hold. So any member can check any body without storing
// one, and no two bodies are equal. A member approves bodies whose beginning is genuine. Chunks
// must be delivered in the order of heights without gaps, each chunk on the one before, with a body
// that is genuine to its end; anything else is a fault. The Recorder compares whether all members
// get the same chunks (audit.Audit.Delivered). A chunk's digest covers its parent's digest, so
// lanes that are equal at one height are equal below it.
//
// # The archive
//
// A member's watermark follows the delivered heights after Config.Keep, once these heights are on
// disk, and is never above Config.Least: if one process knows all members, nothing that any of them
// lacks is dropped. If not, Keep is the time for which another member may be behind or away. [Room]
// divides the free room of a disk among members, so that a run stops proposing before it fills the
// disk.
package bodies
