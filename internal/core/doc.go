// Package core is the protocol: a deterministic state machine of docs/protocol.md section 4, in the
// manner of etcd's raft.
//
// Events go in through the methods of [Core]: a node or an ack from a peer, a verdict on
// signatures, a journal position that became durable, a signature, an answer of the application, a
// new epoch, the passing of time. Out come effects: verify this, sign this, journal that, send
// these bytes, ask the application, report. The driver (package engine) carries the effects out and
// feeds what comes of them back in as events.
//
// # How to drive it
//
//  1. New, then Recover for every record of the journal, the first of which is FirstRecord's, then
//     Start with the current epoch. Recover's effects release dead records.
//  2. For every event call its method, then carry out Effects in order and call Done. Several
//     events may be fed before that; effects pile up in order.
//  3. Call Tick no later than Deadline says.
//
// Effects of kind Append carry consecutive positions. The core holds back by itself whatever must
// not be seen before a record is durable, and lets go of it when Durable says so: the driver need
// not order anything.
//
// # What never happens here
//
// No goroutine, no lock, no clock, no I/O, no randomness, no logging, no map iteration whose order
// shows. The same events give the same effects, which is what makes whole networks simulable from
// one seed. Bytes handed to Ack and Node are read during the call and not kept: what must live
// longer is copied. An ack that completes no quorum allocates nothing.
//
// # Parts
//
// [Core] carries out the rules. What they work on is in parts, each with state of its own that the
// others do not touch:
//
//   - effects, records, calls, jobs and reports are what has gone out: effects not yet carried out,
//     records of the journal, calls and statements that have not returned, what the reporter has
//     returned for;
//   - epochs are the current epoch and the sets of those within bounds;
//   - lanes are the lanes, and what is kept of dormant ones; each has its tip, its waiting nodes and
//     parents, and in package aggregate its votes and certificates;
//   - proposer is our next chunk, and claims are what others have acked of our lane;
//   - loss is what is known of a journal that was lost;
//   - faults are reported, each as often as it may be;
//   - aggregate.Votes has the votes, and decides which are verified when.
//
// # Files
//
// nodes.go and tips.go, acks.go, certificates.go, application.go, proposing.go, epochs.go and
// faults.go are the subsections of docs/protocol.md 4; parents.go is 4.2.5 and dormant.go the
// dormant lanes of 4.8. records.go says what the journal holds, recovery.go how a core comes back
// from it, lost.go what 5.9 and 5.10 say of journals that are lost or old, and ownlane.go what keeps
// our own lane from growing.
package core
