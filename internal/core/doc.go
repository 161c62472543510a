// Package core is the protocol: a deterministic state machine of PROTOCOL.md section 4, in the manner of etcd's raft.
//
// Events go in through the methods of [Core]: a node or an ack from a peer, a verdict on signatures, a journal
// position that became durable, a signature, an answer of the application, a new epoch, the passing of time. Out come
// effects: verify this, sign this, journal that, send these bytes, ask the application, report. The driver (package
// engine) carries the effects out and feeds what comes of them back in as events.
//
// # How to drive it
//
//  1. New, then Recover for every record of the journal, the first of which is FirstRecord's, then Start with the current
//     epoch.
//  2. For every event call its method, then carry out Effects in order and call Done. Several events may be
//     fed before that; effects pile up in order.
//  3. Call Tick no later than Deadline says.
//
// Effects of kind Append carry consecutive positions. The core holds back by itself whatever must not be seen
// before a record is durable, and lets go of it when Durable says so: the driver need not order anything.
//
// # What never happens here
//
// No goroutine, no lock, no clock, no I/O, no randomness, no logging, no map iteration whose order shows. The same
// events give the same effects, which is what makes whole networks simulable from one seed. Bytes handed to Ack and Node are
// read during the call and not kept: what must live longer is copied. An ack that completes no quorum allocates nothing.
//
// # Files
//
// nodes.go, acks.go, certificates.go, application.go, proposing.go, epochs.go and faults.go are the subsections of PROTOCOL.md 4;
// parents.go is 4.2.5 and dormant.go the dormant lanes of 4.8. records.go says what the journal holds, recovery.go how a
// core comes back from it, and lost.go what PROTOCOL.md 5.9 and 5.10 say of journals that are lost or old. calls.go keeps
// account of what has been asked of application and signers, reports.go of what the reporter has returned for.
//
// Package aggregate has the votes and the certificates, and decides which votes are verified when: PROTOCOL.md 3.3 and 4.3.7.
package core
