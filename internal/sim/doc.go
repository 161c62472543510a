// Package sim runs whole networks of cores on virtual time, from one seed: their journals, which crash; links that
// delay, reorder, double and lose; signers, verifiers, disks and applications that answer late or not at all; epochs
// with other validators in each; and up to f peers that do what they like. The same [Settings] give the same history,
// byte for byte, but where they ask for real journals.
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
// network.go is time and links, process.go a core with what surrounds it, verifier.go what decides its statements,
// journal.go the real journal below it, faults.go what goes wrong and how often, storm.go the random mixture; world.go
// the validator sets and their schemes; observer.go and witness.go the judges; byzantine.go and attacks.go the hostile
// peers, forge.go what they do to signatures; history.go the digest and the trace.
package sim
