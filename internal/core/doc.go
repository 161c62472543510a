// Package core is the protocol: a deterministic state machine of docs/protocol.md section 4, in the
// manner of etcd's raft.
//
// Events go in through the methods of [Core]: a node or an ack from a peer, a verdict on
// signatures, a journal position that became durable, a signature, an answer of the application, a
// new epoch, the passing of time. Effects come out: verify this, sign this, journal that, send
// these bytes, ask the application, report. The driver (package engine) executes the effects and
// feeds their results back as events.
//
// # How to drive it
//
//  1. New, then Recover for every record of the journal, the first of which is FirstRecord's, then
//     Start with the current epoch. Recover's effects release dead records.
//  2. For every event call its method, then carry out Effects in order and call Done. Several
//     events may come before that; their effects are kept in order.
//  3. Call Tick no later than at the time that Deadline returns.
//
// Effects of kind Append carry consecutive positions. The core itself holds back whatever must not
// be visible before a record is durable, and releases it when Durable reports the position: the
// driver need not order anything.
//
// # What never happens here
//
// No goroutine, no lock, no clock, no I/O, no randomness, no logging, no map iteration whose order
// is visible. The same events give the same effects, so whole networks can be simulated from one
// seed. Bytes passed to Ack and Node are read during the call and not kept: the core copies what it
// keeps. An ack that completes no quorum allocates nothing.
//
// # Parts
//
// [Core] applies the rules. Its state is divided into parts, each with state of its own that the
// others do not touch:
//
//   - effects, records, calls, jobs and reports are the outstanding work: effects not yet executed,
//     records of the journal, calls and statements that have not returned, reports for which the
//     reporter has not returned;
//   - epochs are the current epoch and the sets of the epochs within bounds;
//   - lanes are the lanes, and the remaining state of dormant ones; each has its tip, its waiting
//     nodes and parents, and in package aggregate its votes and certificates;
//   - proposer is our next chunk, and claims are the acks of others above the tip of our lane;
//   - loss is the state after a lost journal;
//   - faults reports faults, and limits how often;
//   - aggregate.Votes has the votes, and decides which of them are verified, and when.
//
// # Files
//
// nodes.go and tips.go, acks.go, certificates.go, application.go, proposing.go, epochs.go and
// faults.go are the subsections of docs/protocol.md 4; parents.go is 4.2.5 and dormant.go the
// dormant lanes of 4.8. records.go defines the records of the journal, recovery.go restores a core
// from them, lost.go implements the rules of 5.9 and 5.10 about lost or old journals, and
// ownlane.go determines what keeps our own lane from growing.
package core
