// Package replica combines an engine, an archive and a network: the package that most chains embed.
// A quorum holds the body of a chunk before the chunk is certified, and every replica hands each
// lane to its host in height order, without a gap.
//
//	r, err := replica.New(replica.Config{
//		Namespace: namespace,
//		Key:       key,             // Ed25519: our identity
//		Epochs:    epochs,          // validators and sequencers: engine.StaticEpochs or engine.Epochs
//		Application: app,           // Propose, Verify, Deliver
//		Next:      app.Next,        // where delivery goes on after a restart
//		Dir:       dir, Create: firstStart,
//		Listener:  listener, Addresses: addresses,
//	})
//	...
//	err = r.Run(ctx)
//
// A replica orders each lane, not all lanes together. The host makes a total order if it needs one:
// see docs/ordering.md.
//
// # What an ack means
//
// A replica acks a chunk when it holds the whole body, checked and durable, the body's header fits
// the chunk and its parent, and the application found it good (docs/protocol.md 7.2). So a
// certificate says that honest validators of more than f hold the body.
//
// # The way of a body
//
// The body that Propose returns is written to the archive, and pushed to the validators, before its
// digest is proposed. The body of the next height is made and pushed while this one waits for its
// certificate. A validator that has a node and no body waits for Config.FetchDelay, and then asks
// the sequencer, the signers of a certificate, and others, in this order. It asks for several
// pieces of 64 KiB at once, each proven by itself. A body costs its sequencer n − 1 copies: over a
// link of B bytes per second that carries nothing else, its lane carries at most B/(n−1) bytes per
// second.
//
// # Handing over
//
// Deliver is called for each chunk of a lane, in height order, none missing, at least once,
// beginning with the height that Config.Next returns. The replica walks a lane down by parent
// digests, from its highest known lock to the last chunk that was handed over. So a process that
// was away needs one lock of a lane, and gets the rest from its peers.
//
// A slow host stops the proposals of its own lane (Config.MaxUndelivered), and no acks. The archive
// keeps bodies from the host's watermark up, which Replica.Prune moves. When the archive's quota is
// reached, the replica acks and proposes no body any more; the log and the metric archive_full say
// so. A certified body that is next in its lane is still fetched and handed over.
//
// # After a restart
//
// The folder holds the journal of the engine, the archive, walks that go on, and lanes that have
// stopped. The host keeps its own cursor: Next returns the first height that the host has not
// applied durably. A chunk that is handed over twice has the same digest both times.
//
// # After a loss
//
// A process whose folder was lost, damaged or put back from a copy is unsafe: it does not know all
// its signatures. An old copy is detected on connecting, since peers send the messages of ours that
// they hold: Run returns [engine.ErrStaleJournal]. Then start with [Config].Recover in an empty
// folder. The replica asks the other validators, and signs nothing until a quorum of them has
// answered; the log names those that have not. Then it acks again, on each lane once that has grown
// by three, and hands over from Next as before. As a sequencer it has ended, unless [Config].Resume
// says otherwise.
//
// # Faults
//
// While no more than f validators are faulty, no two chunks are certified for one place, and each
// certified chunk stands on the one certified below it. If a lane breaks this, the lane stops: none
// of its chunks is handed over, proposed or acked any more, and [Replica.Get] and [Replica.Wait]
// return [ErrFork]. Other lanes go on. Config.Report gets the evidence, a [wire.LockConflict] or a
// [wire.Fork], which [VerifyEvidence] verifies anywhere; the log and the metric stopped_lanes_total
// show it too. A file of the folder forks keeps the lane stopped in later runs, which report the
// evidence again. docs/operations.md has the steps for an operator.
//
// # Memory
//
// Bodies in memory take at most Config.MaxBuffered, besides those that the archive is writing
// (archive.Config.MaxPending), those that wait to be sent (network.Config.QueueBytes, shared by all
// recipients), and those that the application is shown: one in Deliver and two in Verify for each
// lane, as long as these calls take.
//
// Of a lane, some 400 bytes are kept for each chunk that is known to be certified and that the host
// has not taken, at most 256 of them, or twice MaxUndelivered if that is from 128 to 1,024. The
// headers of the chunks above wait in a file of the folder walks, with half a byte of memory each.
// Headers of 24 lanes are requested at once, each of which takes 400 KiB meanwhile.
//
// # Metrics
//
// Those of engine and network, and under lanecast_replica_:
//
//	delivered_chunks_total, delivered_bytes_total
//	undelivered_chunks                               certified, and not taken by the host
//	pushes_total, pushes_received_total, pushes_dropped_total{reason}
//	fetched_bodies_total, fetched_headers_total, requests_failed_total, wrong_answers_total
//	headers_served_total, pieces_served_total
//	cached_bytes, archive_full, proposals_held, stopped_lanes_total
//
// Reasons for which a push is dropped: invalid, of another sequencer, without a right header or
// root; unwanted, not of a next height, or pushed too often; broken, not continued, in disorder, or
// slower than 1 MiB/s while others want its memory; no_room.
package replica
