// Package batch verifies statements in batches on a worker pool. It is for the other packages of
// this module: the engine, its simulation, the benchmarks and loadgen. An embedder needs package
// verify only.
//
// [Verifier] takes statements ([verify.Statement]) from any goroutine and returns one
// [verify.Verdict] for each:
//
//	Submit ──► list ──► batch ──► worker: chunk signatures ─ combine ─ check ─ split ──► Verdicts
//	Verify ──►  │                 worker: …                                          ──► back to Verify
//
// Batches form by themselves. While a worker is idle, a statement is taken at once, in a batch of
// one. While all are busy the list grows, and the next idle worker takes all of it, up to
// BatchSize. So load makes batches larger and idleness makes latency small, with nothing to tune.
// BatchDelay may hold a small batch back. Statements marked Unbatched have a list of their own and
// go one by one; so do those of a scheme whose method Batchable says that batches save nothing, and
// idle workers share these. Workers take from the two lists alternately, so neither kind can starve
// the other.
//
// Workers are tasks on an ants pool, at most Config.Workers at once. They end when the lists are
// empty. The lists are under a mutex, which is held for moving a few pointers. Verdicts go back on
// a lock-free stack of finished batches: no worker ever keeps the consumer waiting. Statements of
// one submitter may be verified in any order.
//
// Neither the lists nor the verdicts are bounded here. The engine's core bounds how many statements
// are under way.
//
// # What a worker does with a batch
//
// The steps are those of docs/protocol.md 3.3, in this order:
//
//  1. The chunk signatures of the whole batch are verified. The certificate of a node whose own
//     signature is bad is not verified: its CertificateValid is false.
//  2. The votes of suspects are proven one by one, and the invalid ones removed. The votes of
//     EachVote statements are proven likewise, and these statements are then decided.
//  3. Votes are combined, unverified, and certificates are opened; those of the whole batch at once
//     ([verify.Gather]). Unreadable votes are invalid, and the others are combined again.
//     Offenders, validators of whom any worker has proven a vote invalid lately, are excluded if
//     the rest make the quorum. That is a hint and blames nobody. If the rest do not make the
//     quorum, a statement that may be deferred comes back undecided, with the offenders as
//     Deferred. They are suspects by then, and its maker can wait for others' votes.
//  4. All combinations of one Scheme.Group are checked at once. If that fails, they are halved
//     until the wrong ones stand alone.
//  5. A wrong certificate is invalid. Wrong votes are isolated by Scheme.Isolate: the verdict lists
//     those that are proven invalid, and the rest is combined and checked again if it makes a
//     quorum. If it does not, the statement is deferred, or the excluded votes are proven and the
//     valid ones readmitted. Each new offender is excluded from the undecided statements of the
//     batch, which are then tried again.
//  6. Where Isolate finds no invalid vote, each vote that is left is proven by itself, and invalid
//     ones are removed as before. Votes that are all proven valid, and do not combine, mean that
//     the keys of the set do not fit each other: then the verdict has an Err that wraps
//     [verify.ErrInconsistentKeys], and blames none of those that are left.
//
// So Invalid holds only participants whose vote has been proven invalid by itself, and not always
// all of them. A bad vote is passed over if it was excluded, or if it does no harm
// (docs/protocol.md 3.3: errors that cancel). When votes get no certificate, no Deferred and no
// Err, Signers without Invalid is less than a quorum.
//
// # Failures
//
// A panic in a Scheme, which may be an embedder's, is caught: the statements of that batch get a
// [*Panic] as Err, OnPanic is called, and the worker goes on. Close cancels what has not begun with
// an Err that wraps context.Canceled, waits for what has, and leaves no goroutine behind. A pool that
// is released ends verification: every statement gets an Err that wraps [ErrPool], which Err returns
// from then on. A pool of others that is full is waited for, without end.
//
// What never happens here: protocol rules, state of lanes or epochs, network, disk, signing, and
// waiting on the caller's side of Submit or Verdicts.
package batch
