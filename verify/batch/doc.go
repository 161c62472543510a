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
// one. While all are busy the list grows, and the next idle worker takes the whole list, up to
// BatchSize. So batches are large under load and latency is small without load; nothing needs
// tuning. BatchDelay can hold back a small batch. Statements marked Unbatched have a list of their
// own and are verified one by one. So are those of a scheme whose method Batchable returns false
// because batches save nothing; idle workers share these. Workers take from the two lists
// alternately, so neither kind can starve the other.
//
// Workers are tasks on an ants pool, at most Config.Workers at once. They end when the lists are
// empty. A mutex guards the lists; it is held only while a few pointers are moved. Verdicts return
// on a lock-free stack of finished batches, so no worker makes the consumer wait. Statements of one
// submitter may be verified in any order.
//
// This package bounds neither the lists nor the verdicts. The engine's core bounds the number of
// statements in verification.
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
//     ([verify.Gather]). Unreadable votes are invalid, and the others are combined again. Offenders
//     are validators of whom a worker has recently proven a vote invalid. They are excluded if the
//     rest make the quorum. That is a hint and blames no validator. If the rest do not make the
//     quorum, a statement that may be deferred comes back undecided, with the offenders as
//     Deferred. By then they are suspects, and the statement's maker can wait for votes of other
//     validators.
//  4. All combinations of one Scheme.Group are checked at once. If that fails, the list is halved
//     until each wrong one is alone.
//  5. A wrong certificate is invalid. Scheme.Isolate finds wrong votes: the verdict lists those
//     proven invalid, and the rest is combined and checked again if it makes a quorum. If it does
//     not, the statement is deferred, or the excluded votes are proven and the valid ones
//     readmitted. Each new offender is excluded from the undecided statements of the batch, which
//     are then tried again.
//  6. If Isolate finds no invalid vote, each remaining vote is proven by itself, and invalid ones
//     are removed as before. If all votes are proven valid and their combination is not valid, the
//     keys of the set do not fit each other: then the verdict has an Err that wraps
//     [verify.ErrInconsistentKeys], and blames none of the remaining validators.
//
// So Invalid holds only participants whose vote has been proven invalid by itself, but not always
// all of them. A bad vote is not found if it was excluded, or if it has no effect (docs/protocol.md
// 3.3: errors that cancel). When a verdict on votes has no certificate, no Deferred and no Err,
// Signers without Invalid are less than a quorum.
//
// # Failures
//
// A panic in a Scheme, which may be an embedder's, is caught: the statements of that batch get a
// [*Panic] as Err, OnPanic is called, and the worker continues. Close cancels statements that have
// not begun, with an Err that wraps context.Canceled, waits for those that have, and leaves no
// goroutine behind. If the pool is released, verification ends: every statement gets an Err that
// wraps [ErrPool], and Err returns ErrPool from then on. If a pool passed in is full, the verifier
// waits for it without limit.
//
// This package has no protocol rules and no state of lanes or epochs. It does not use network or
// disk, does not sign, and never blocks the caller of Submit or Verdicts.
package batch
