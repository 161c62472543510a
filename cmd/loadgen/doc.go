// Loadgen runs, drives and measures Lanecast.
//
// Without arguments it runs a cluster in one process for ten seconds: 4 validators, each with the
// real engine, real keys and a journal on disk, joined by a simulated network. Each of them
// sequences a lane of its own, as fast as its chunks get certified. It prints a line a second and a
// summary at the end.
//
//	go run ./cmd/loadgen
//	go run ./cmd/loadgen --validators 31 --scheme threshold --variant minpk
//	go run ./cmd/loadgen --latency 50ms --loss 0.1 --duration 30s --json result.json
//	go run ./cmd/loadgen --acks sequencer --weights zipf
//	go run ./cmd/loadgen --processes --latency 20ms --kill-every 3s
//	go run ./cmd/loadgen --payload-size 256KiB --follow 1
//
// Subcommands:
//
//	loadgen init DIR      keys and configuration of a network whose members run on several machines
//	loadgen member DIR    one of these members
//	loadgen merge R…      the result of the network, from the results and records of its members
//	loadgen node          one engine, with all others played by a generator: its throughput
//	loadgen sweep         node mode over lists of flag values: which are best on this machine
//	loadgen compare A B…  the differences between results, and which exceed the noise
//	loadgen journal       the content of journals
//	loadgen archive       the content of archives of bodies
//
// docs/tuning.md shows how to use them. The flags about what a run shows and writes are the same
// for all: --json, --report (a page for a browser), --series, --tag, --live, --metrics, --pprof,
// --cpuprofile, --repeat, and except for sweeps --require.
//
// # Exit status
//
// 0: the run was good and met every --require; for a sweep, all of its runs were good. 1: something
// failed; standard error names it. 2: the command line asks for something impossible, or for a file
// or port that is not available; one line on standard error gives the remedy.
//
// A cluster's run is good if every certificate that any member reported was verified by a scheme
// instance that no member uses, no two certificates differed for one chunk, no member reported a
// conflict or blamed another, and every lane was extended. A node's run is good if it certified
// anything, a sample of its certificates was verified in the same way, it blamed only validators
// that play attackers, and at a fixed rate it took in 99 % of the acks offered and certified 99 %
// of the chunks due; if only the latter two are not so, the outcome is overload. A sweep is good if
// no run failed: a sweep over loads looks for overload.
//
// SIGINT, SIGTERM and SIGHUP end a run early, and so does an output that cannot be written to any
// more, such as a pipe whose reader has gone; a second SIGINT or SIGTERM kills. The program then
// prints what it measured and writes it to all files, marked as interrupted. The exit status of an
// interrupted run is that of the part that was run. It is 1 if the question was not answered: a
// sweep with runs left to do, a --find-max or --load that had not reached its rate, or a run that
// had not begun.
//
// # Continuing a cluster
//
// With --data DIR the journals stay, one folder per member, beside a manifest.json that describes
// their cluster. A later run in the same folder takes the cluster from the manifest and continues
// every lane, even if the run before was killed; flags that contradict the manifest are refused.
// Each run makes its own payloads, so a member that forgot its messages from before the restart
// would contradict itself, and the audit would find it.
//
// # Where acks go, and weights
//
// With --acks sequencer a validator sends its acks to the sequencer of the lane alone, and the
// sequencer sends the certificate. This is no part of a cluster's manifest: a later run in the same
// folder may have the other setting. --weights gives the validators different voting power: zipf in
// proportion to 1, 1/2, 1/3 and so on, to validators at random, or a file with a whole number from
// 1 on each line, by participant. In node mode the engine under test is the first participant, and
// must not weigh more than a third.
//
// # Bodies
//
// With --payload-size 256KiB chunks have bodies, and members are replicas: package replica, with
// archives on disk, joined by TLS on loopback. A member makes a body as soon as its lane takes it
// or, with --rate, when it is due, at that many per second. It approves genuine bodies, and checks
// every delivered chunk: heights in order without gaps, and the bodies that were made. In the end
// every body that was made must have been delivered to all members, the same at each place. At a
// rate the outcome is overload if lanes took less than 99 % of the bodies that were due.
//
//	loadgen --payload-size 256KiB
//	loadgen --payload-size 64KiB --rate 20 --follow 2
//	loadgen --payload-size 256KiB --rate 5 --away 60s
//
// --follow adds replicas without weight. --away makes one validator, the lightest, leave after a
// warm-up and return: the result has the time until it was level with the others, and the effect on
// their latencies. In this mode there is no simulated network, hence no --latency and no --loss.
//
// # Members in processes of their own
//
// With --processes each member is a process: this program makes a folder for each as «loadgen init»
// does, runs «loadgen member» in it, and merges the records as «loadgen merge» does. On several
// machines the same is done by hand: docs/operations.md. A run is good as above, for all members,
// if in addition each member measured to the end and none sent two payloads for one place, over all
// processes that it had. The audit reads this from the record that each member writes before it
// sends, see go doc ./cmd/loadgen/internal/record. --kill-every kills a random member with SIGKILL
// and starts it again, one at a time and never one without which there is no quorum. There are no
// kills in the last 4 s, and each lane must grow after the last kill.
//
// --latency, --jitter and --bandwidth delay the bytes that each member writes to its connections,
// and --loss drops messages before they are sent: see go doc ./cmd/loadgen/internal/link.
//
// Latencies are measured by the sequencer's clock alone, except those from a proposal to the lock
// at another member. These are given if both processes run on one machine, or if the offset of
// their clocks was measured, by round trips before, during and after the run; the page shows the
// error of the offsets and the number of pairs left out.
//
// # Members and lanes in a cluster
//
// Member i < --validators is validator i. The first --sequencers members are sequencers. If these
// are more than the validators, the further ones are engines that sequence without validating.
package main
