// Package engine is the library's public API: broadcast in lanes of linked, certified chunks. Each
// sequencer grows a lane of chunks; validators acknowledge them; a quorum of acks becomes a
// certificate, which the next chunk of the lane carries. Three things remain with the embedder: the
// network between processes, the payloads (the engine handles only their digests), and the use of
// certified chunks. A process that was down does not get the locks that it missed.
//
// # Embedding
//
// Fill in a [Config], call [New], hand incoming messages to [Peer] handles, and call [Engine.Run]:
//
//	e, err := engine.New(engine.Config{
//		Namespace: ns, Identity: me, Sequencer: verify.NewChunkSigner(ns, key),
//		Schemes: epochs, Sequencers: epochs, Monitor: epochs,
//		Automaton: app, Relay: app, Reporter: app, Sender: network,
//		Journal: engine.JournalConfig{Dir: dir, Create: firstStart},
//	})
//	…
//	peer, err := e.Peer(remote)         // the same handle for every connection of an identity
//	refused, err := peer.Deliver(batch) // from the network's goroutines, per read
//	…
//	err = e.Run(ctx)
//
// [StaticEpochs] and [Epochs] are ready-made implementations of Schemes, Sequencers and Monitor.
//
// An engine is a validator in the epochs in which its Identity is a participant and Schemes gives
// it an AckSigner. It is a sequencer in the epochs whose sequencers include it, if it has a
// Sequencer. An engine that is neither only follows: it verifies incoming messages, asks its
// application, reports tips and locks, and sends nothing. A sequencer sends its nodes to the
// validators of the epoch, and a validator sends its acks to the other validators and to the
// sequencer; the embedder forwards messages to followers. Deliver a forwarded message through the
// handle of the peer that made it.
//
// # What collaborators guarantee
//
//   - [SchemeProvider] and [SequencerProvider] answer at once, from any goroutine, and always give
//     the same answer for one epoch. They keep every epoch that [Engine.EpochsNeeded] names: an old
//     epoch may be needed for as long as a lane stands still on it. The engine asks for an epoch
//     whose sets are not known yet again with every message of it.
//   - [Monitor] gives ascending epochs.
//   - [Automaton] may be slow, until the context of the call ends, and gives the same verdict for
//     the same chunk.
//   - verify.AckSigner and verify.ChunkSigner may be slow; each is called by one goroutine at a
//     time. A ChunkSigner may refuse to sign two chunks for one height: the engine never asks for
//     that.
//   - [Reporter] may block, after which the engine stops taking messages in time, and accepts that
//     a lock is reported again after a restart.
//   - [Sender] and [Relay] may block for a while; if they block longer, messages are dropped.
//   - Every method with a context returns soon after the context ends. Run waits for every call.
//   - The network authenticates peers: a message is delivered through the handle of its sender, and
//     the engine blames the owner of the handle.
//   - Keys and folder belong together; the first record of the journal names its identity, and New
//     refuses the journal of another identity. Two engines that sign with one key from different
//     folders will contradict each other. So may an engine whose folder was put back to an older
//     state: see "When the journal is lost".
//
// A panic in any of them, or in a Scheme, stops the engine with a [*PanicError]; the process lives.
// The same holds for runtime.Goexit.
//
// # Buffers
//
// DeliverAck, DeliverNode and DeliverCertificate take a pooled wire.Buffer, and Deliver takes
// several. The engine owns it from the call on, also when the call returns an error: the caller
// must neither release it nor read it again. It is released exactly once: by the loop when the
// message has been read, by the call when it is refused, or by the shutdown. The variants for
// bytes, such as DeliverAckBytes, copy the slice, which remains the caller's. Activities, and the
// messages given to the Sender, are in memory of their own that never changes.
//
// # What is durable, and when
//
// A node is in the journal, and synced, before the application is asked about it and before our ack
// for it is sent. Our own chunk is in the journal before our key signs it: after a failure of the
// signer or a restart the same chunk is signed again. Certificates are journaled as well, and
// reported without waiting, since a lock proves itself. So whenever a process crashes, its next run
// knows every chunk and ack that it sent. On the next start the locks whose reports had not
// returned and those at the top of their lanes are reported again, recovered tips are shown to the
// application again, and our own lane continues. The journal holds the top of every lane and the
// locks that have not been reported, and is pruned as lanes grow. Faults are reported once and not
// kept.
//
// A lane is dormant while its sequencer is in no known epoch within bounds. One record of it
// remains: its tip and its newest certificate. The lane is active again when the sequencer is back.
// [Engine.Forget] drops it for good.
//
// The journal syncs in groups and nothing waits for it: the loop continues during a sync. While
// MaxVolatileBytes or more, or MaxPendingReports or more reports, are pending, no messages are
// taken; verdicts and timers continue. Messages then fill their peers' quotas, and further ones are
// refused.
//
// # Where acks go
//
// With [AcksToAll], the default, acks go to all validators, and each process assembles every
// certificate; messages and bytes are upstream's. With [AcksToSequencer] acks go to the sequencer
// of their chunk, which assembles the certificate and sends it to the validators: 3·n messages a
// chunk instead of n², and one process in n verifies a quorum. The others learn of a lock one
// message later. With SendCertificates certificates are also sent under AcksToAll, so that a live
// network can move to AcksToSequencer: first set SendCertificates at every process, then Acks,
// process by process. In a network that calls [Engine.PeerConnected], a peer that reconnects does
// not wait for a repetition.
//
// # When the journal is lost
//
// A folder without a journal is refused unless Journal.Create states that this identity starts for
// the first time, or Journal.Recover states that it had a journal and lost it. A process that
// recovers signs nothing, through all restarts, until the highest locks that a quorum of the other
// validators know have been adopted ([Config].Adopt or [Engine.Adopt]). Then it acks on a lane only
// above the heights that it may have acked before, two above the adopted lock, and counts among the
// faulty validators until the lanes have passed them. So at most one validator recovers at a time
// in small sets, and none in a set of three or less, unless Config.RecoverUnsafe is set.
//
// Its own lane has ended, and the sequencer goes on under a new key, unless [Recovery].Resume is
// set: then it goes on with the highest chunk of its own that others have shown ([Engine.OwnChunk]
// returns the messages of another identity that a process can show). A chunk that all its holders
// hide cannot be found: another one for its height proves an equivocation, and Run ends with
// [ErrStaleJournal] once the first one is shown.
//
// An old copy of a folder cannot be told from the current one. A process that receives a
// certificate, node or ack with its own signature above what its journal holds stops with
// [ErrStaleJournal]. A process that only sees validators ack its lane above its tip logs that, and
// sets the metric own_lane_blocked.
//
// # Life
//
// New opens and replays the folder. Run works until its context ends, then shuts everything down
// and returns nil, or the first failure:
//
//   - [ErrMonitor], [ErrReporter]: that collaborator returned an error;
//   - [ErrJournal]: a write or sync failed, or the folder could not be closed. After that nothing
//     was acked or proposed;
//   - [ErrPool]: Config.Pool was released;
//   - [ErrStaleJournal]: the journal lacks what this identity has signed;
//   - the error of Config.Adopt;
//   - [*PanicError]: a collaborator panicked, or called runtime.Goexit.
//
// All goroutines are gone when Run returns, and the folder can be opened again. Queries and
// VerifyLocks may be called from any goroutine, also before Run (they wait for it), and return
// [ErrStopped] afterwards, as Deliver does. [Engine.Close] is for an engine that is never run.
//
// # What overload and garbage do
//
// Nothing that a peer sends stops the engine. A message that is too large or over its peer's quota
// is refused at Deliver; everything else is taken and counted by its outcome (see acks_total,
// nodes_total and certificate_messages_total below). A message that does not decode, or is proven
// wrong, is reported as wire.InvalidAck, wire.InvalidNode or wire.InvalidCertificate, at a limited
// rate, so that the embedder can block the peer. A message of an unknown epoch is dropped, and no
// peer is blamed.
//
// If a quorum of acks, each proven valid, makes no valid certificate, the keys that SchemeProvider
// gave for the epoch do not fit each other. That is reported as wire.InconsistentKeys, once per
// lane, height and epoch, and counted in key_faults_total. An operator must compare the
// configuration of the set with that of other processes. Meanwhile the acks are tried again with
// other signers, at a limited rate.
//
// # What a wrong configuration does
//
// New refuses with a [*ConfigError] what it can detect. The log has one line at the start and at
// each epoch with our role, participant number, the quorum and the number of sequencers. The line
// is a warning if something prevents acking or proposing: unknown sets, no AckSigner, a key that is
// not in the sets. Our first ack of each epoch, and each of our chunks, is verified before it is
// sent. If it does not verify, it is not sent, and the log names the fault of the signer; another
// attempt follows, after at most 32 s. The log also names limits that are too small for the sets.
// Failures of verdicts, signers and the pool are logged once in ten seconds each, others at growing
// intervals.
//
// # Metrics
//
// With Config.Metrics set, under the prefix lanecast_:
//
//	sequencer_height{sequencer}, sequencer_certified_height{sequencer}
//	acks_total{status,reason}, nodes_total{status,reason}, acks_proven_invalid_total, nodes_verified_total
//	certificate_messages_total{status,reason}, certificates_received_total
//	application_verdicts_total{status}, application_verdict_seconds
//	propose_total{status}, propose_declined_total, own_acks_total{status}
//	broadcast_total{status}, rebroadcast_total{status}
//	certificates_total, locks_total, faults_total, key_faults_total, e2e_duration_seconds
//	epoch, peers, suspects, vote_bytes, dormant_lanes, parents_dropped_total
//	limit_needed_ratio{field}
//	recovering, abstaining_lanes, abstaining_height, own_lane_blocked{reason}, own_chunks_refused_total
//	inbox_messages, inbox_dropped_total{reason}, intake_pauses_total
//	statements_total, statements_waiting, splits_total, batch_statements, batch_duration_seconds
//	journal_sync_duration_seconds, journal_sync_records, journal_volatile_bytes
//	journal_bytes, journal_segments
//	reports_pending, locks_unreported, outbox_messages, outbox_dropped_total
//	validators, sequencers, weight, quorum, validator, workers, build_info{version,go}
//	validator_acks_total{signer,timing}, parents_total{own_ack}
//
// Counters are read from the loop when scraped, so they cost nothing per message.
//
// validator_acks_total counts acks by the validator that made them: in_time, counted towards a
// quorum before the chunk had a certificate, or late, after it. In a healthy network the acks of up
// to a third of the validators are late, a different third each time; for a validator that is down
// neither grows. With AcksToSequencer only acks on our own lane arrive. parents_total counts the
// certificates of other sequencers by whether they have an ack of ours (included or missing). A
// certificate holds a quorum of acks; where validators have equal weights, they are included in
// turn. Threshold certificates do not show their signers, and are not counted.
//
// Status of a verdict: success; failure if the payload is bad; none if the application returned an
// error. Status of an attempt of our own: success; failure, with the reason in the log; dropped, if
// it became obsolete. A call of Propose that the application declined is no attempt. A broadcast
// fails while the sets of the current epoch are not known, and when the outbox is full; it is
// dropped while this process is no sequencer. Such a pause counts once.
//
// Status and reason of a message are its outcome on arrival. An invalid message is one that no
// honest peer sends, even if the peer has missed messages and however late the message comes. All
// others that did not count are dropped: the peer or this process is late, or the message is not
// needed.
//
//	success   accepted              an ack that was counted; a node or certificate that is or will be verified
//	dropped   duplicate             the same message came before
//	          certified             an ack for a certified chunk, or its certificate again
//	          epoch_out_of_bounds   an ack or certificate of a past or a future epoch
//	          height_out_of_bounds  an ack below the top of its lane, or above it by more than HeightBound
//	          height_too_low        a node below the tip; a certificate two below the highest
//	          other_lane            an ack for a lane that is not ours, with AcksToSequencer
//	          payload_mismatch      an ack for another chunk than the tip: its sequencer signed two
//	          unknown_epoch         this process does not have the sets
//	          not_now               a node of no sequencer of the current epoch: it may be one in another
//	          no_room, busy         an ack or certificate beyond its sender's memory; a node behind two
//	                                others, a certificate behind a higher one of its peer and lane
//	          stale, replaced       a node or certificate that became obsolete while it waited
//	          stopped               the engine was stopping
//	invalid   malformed             bytes that do not decode
//	          invalid               a node or certificate that did not verify
//	          conflicting           a second ack of one validator, or node, for one height
//	          wrong_peer            a message made by another identity, or in its name
//	          not_validator         an ack of an identity that is no validator of its epoch
//	          unknown_sequencer     an ack or certificate on a lane of no sequencer of its epoch
//
// # How it is built
//
// The protocol itself is internal/core, a deterministic state machine; this package drives it. One
// goroutine, the loop, owns the core. It takes messages from a lock-free inbox, passes verdicts,
// durable positions, results of calls, epochs and the time to the core, and hands the effects that
// the core returns to the verification workers, the journal, two goroutines that sign, one that
// sends, one that reports, and one for each call of the application. The loop never waits for any
// of them.
package engine
