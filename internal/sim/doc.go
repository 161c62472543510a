// Package sim runs networks of cores on virtual time, from one seed: the cores' journals, which
// crash and are lost; links that delay, reorder, duplicate and lose messages; signers, verifiers,
// disks, reporters and applications that return late, or only after their contexts have ended;
// epochs with different validators or sequencers in each; and up to f hostile peers. The same
// [Config] gives the same history, byte for byte, unless it asks for real journals.
//
// # A run
//
// A [Network] is made from a Config. A scenario then lets time pass (Run, RunUntil), cuts links,
// crashes processes and enters epochs, and at the end checks the outcome. [FaultRun] draws a whole
// configuration from the seed, and [Network.FaultPhases] is the scenario for it.
//
// An observer checks every effect of every core before it is carried out, and every core after
// every event. It does not depend on the implementation of a core: it checks effects against
// docs/protocol.md, mainly section 5, and verifies each distinct certificate once with a verifier
// that shares no code with package verify (independent.go). A violation ends the run; the method
// that was called returns it as its error.
//
// # Files
//
//	network.go      time and links
//	process.go      a core with its environment
//	calls.go        its application and its signers
//	reporter.go     its reporter, and the pauses of its intake
//	verifier.go     the verifier of its statements
//	journal.go      a real journal below it
//	disks.go        disks that are lost, or put back to an old state
//	faults.go       the kinds of faults and their rates
//	faultrun.go     random faults: the configuration and the scenario
//	roster.go       the identities, the sets of every epoch and their schemes
//	observer.go     the checks, observer_reports.go those of reports; observed.go is their
//	                state about one run of a process
//	independent.go  the independent verifier
//	colluders.go    the hostile peers, attacks.go what they do, forge.go how they forge signatures
//	history.go      the digest and the trace
//
// Of the tests, upstream_test.go has the scenarios of upstream's own tests with upstream's own
// limits.
package sim
