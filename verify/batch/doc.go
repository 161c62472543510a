// Package batch verifies statements in batches on a worker pool.
//
// # The verifier
//
// [Verifier] takes statements ([verify.Statement]) from any goroutine and returns a [verify.Verdict] for each, once:
//
//	Submit ──► list ──► batch ──► worker: chunk signatures ─ combine ─ check ─ split ──► Verdicts
//	Verify ──►  │                 worker: …                                          ──► back to Verify
//
// Batches form by themselves. While a worker is idle, a statement is taken the moment it comes, in a batch of one;
// while all are busy the list grows, and the next idle worker takes all of it, up to BatchSize. So load makes
// batches larger and idleness makes latency small, with nothing to tune. BatchDelay may hold a small batch back.
// Statements marked Alone have a list of their own, go one by one, and take turns with batches: neither kind can
// starve the other.
//
// Workers are tasks on an ants pool, at most Options.Workers at once; they end when the list is empty. The list is
// under a mutex, held for moving a few pointers. Verdicts go back on a lock-free stack of finished batches: the
// consumer is never kept waiting by a worker. Statements of one submitter may be verified in any order.
//
// Neither the list nor the verdicts are bounded here: the engine's core has so many statements under way and no more.
//
// # What a worker does with a batch
//
// PROTOCOL.md 3.3, in this order:
//
//  1. The chunk signatures of the whole batch. A node whose own signature is bad is done: its CertificateValid is then
//     false without having been looked at.
//  2. Suspects' votes are proven one by one, and the bad ones taken out. Votes of EachVote statements likewise, and
//     that is all for these.
//  3. Votes are combined, unverified; certificates are opened; those of the whole batch at once ([verify.Gather]).
//     Unreadable votes are invalid, and the others are combined again. Validators of whom a vote was proven invalid
//     lately, by any worker, are left out if the rest make the quorum: that is a hint, and blames nobody. If the rest do
//     not, a statement that may be deferred comes back undecided, with those validators as Exposed; they are suspects now,
//     and its maker can wait for others' votes.
//  4. All combinations of one Scheme.Group are checked at once. If that fails, they are halved until the wrong ones
//     stand alone.
//  5. A wrong certificate is invalid. Wrong votes are taken apart by Scheme.Isolate: those proven invalid go into
//     the verdict, the rest is combined and checked again if it makes a quorum; if it does not, the statement is deferred,
//     or votes that were left out on a hint are proven and those that are good come back in. As soon as somebody is exposed, the undecided
//     statements of the batch are tried again without it.
//  6. Where that finds nobody, each vote that is left is proven by itself, and invalid ones are taken out as before.
//     Only votes that are all proven valid, and do not combine, mean that the keys of the set do not fit each other: Err,
//     wrapping [verify.ErrInconsistentKeys], which blames none of those that are left.
//
// So Invalid holds only participants whose vote has been proven invalid by itself, and not always all: a bad vote
// that was left out on a hint, or that does no harm where it stands (PROTOCOL.md 3.3: errors that cancel), is passed
// over. When votes get neither a certificate nor Exposed nor an Err, Signers without Invalid is less than a quorum.
//
// # When things go wrong
//
// A panic in a Scheme, which an embedder may have written, is caught: the statements of that batch get a [*Panic] as
// Err, OnPanic is told, and the worker goes on. Close cancels what has not begun with an Err that wraps
// context.Canceled, waits for what has, and leaves no goroutine behind.
//
// What never happens here: protocol rules, state of lanes or epochs, network, disk, signing, a wait on the caller's
// side of Submit or Verdicts.
package batch
