// Package bodies makes the load of runs whose chunks have bodies, and the members of such runs:
// replicas (package replica) whose host checks everything that it is handed.
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
// long as all have Namespace, Sets, Lanes and Seed alike. Each process has a Run of its own, a
// number that no run in the same folder had before: the time of its start will do. A member that
// was stopped or killed is started again, in the same process or another one: Create is false then,
// and the file cursor.json in its folder says how far it was delivered. [Member.Failed] tells of a
// replica that ended by itself.
//
// # What is measured
//
// [Recorder] is told of each certificate with the time since its body was made, and of each
// delivery likewise. With a rate it is the time since the body was due, so that a lane that falls
// behind is not flattered. [Member.Counters] has all counters, and encodes as JSON
// (measure.Bodies). The counters of all members give a result: report.NewBodies makes it. Latencies
// of several processes are merged from their histograms (measure.Latencies). [measure.Bodies.Level]
// says whether a member that was away has caught up, and [measure.Settled] whether everything that
// was made is delivered everywhere.
//
// The CPU time of making bodies and of checking them is counted apart: a result's CPU time is
// without it, where the system tells the CPU time of a thread.
//
// # What is checked
//
// A body is keystream that follows from the seed, the run, its length, the lane, the height and the
// time of its making, which its first bytes say. So any member can check any body without storing
// one, and no two bodies are alike. A member approves of bodies that begin as genuine ones do. What
// it is handed must come in the order of heights, none missing, each chunk on the one before, with a
// body that is genuine to its end; anything else is a fault. That all members are handed the same is
// the Recorder's to compare (audit.Audit.Delivered). Since a chunk's digest covers its parent's, what
// is alike at one height is alike below.
//
// # The archive
//
// A member's watermark follows what it was delivered, once that is written down, Config.Keep later,
// and not above Config.Least: where one process knows all members, nothing that any of them lacks
// is dropped. Where it does not, Keep is how long another may be behind or away. [Room] divides the
// free room of a disk among members, so that a run stops to propose before it fills the disk.
package bodies
