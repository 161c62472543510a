// Package sim runs whole networks of cores on virtual time, from one seed: their journals, which crash and are lost;
// links that delay, reorder, double and lose; signers, verifiers, disks, reporters and applications that answer late, or
// not before their contexts end; epochs with other validators or sequencers in each; and up to f peers that do what they
// like. The same [Config] give the same history, byte for byte, but where they ask for real journals.
//
// # How a run goes
//
// A [Network] is made of Settings. A scenario then lets time pass (Run, RunUntil), cuts links, crashes processes,
// enters epochs, and at the end asks for what must have come of it. A [Storm] does such things by itself, drawn from
// the seed.
//
// Every effect of every core passes an observer before it is carried out, and every core is looked at after every
// event. The observer knows nothing of how the core works: it holds what it sees against PROTOCOL.md, section 5 above
// all, and verifies each distinct certificate once with a verifier of its own (witness.go), which shares no code with
// package verify. What it objects to ends the run, as the error of whatever method was called.
//
// # Files
//
// network.go is time and links, process.go a core with what surrounds it, calls.go its application and its signers,
// reporter.go its reporter and the pauses of its intake, verifier.go what decides its statements, journal.go the real
// journal below it, disks.go disks that are lost or put back to an old state; faults.go is what goes wrong and how
// often, storm.go the random mixture; world.go the validator sets and their schemes; observer.go, watch.go and
// witness.go hold what happens against PROTOCOL.md; byzantine.go and attacks.go are the hostile peers, forge.go is what
// they do to signatures; history.go is the digest and the trace.
package sim
