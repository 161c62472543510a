// Loadgen runs, drives and measures Lanecast.
//
// Without argument it runs a cluster in one process for ten seconds: 4 validators, each with the real engine, real keys
// and a journal on disk, joined by a simulated network; every one of them sequences a lane of its own, as fast as its chunks get
// certified. It prints a line a second and a summary at the end.
//
//	go run ./cmd/loadgen
//	go run ./cmd/loadgen --validators 31 --scheme threshold --variant minpk
//	go run ./cmd/loadgen --latency 50ms --loss 0.1 --duration 30s --json result.json
//
// Subcommands:
//
//	loadgen node          one engine, everybody else played by a generator: what can a node of mine verify, and how fast?
//	loadgen sweep         node mode over lists of settings: which are best here?
//	loadgen compare A B   what changed between two results of node mode, and is it more than noise?
//	loadgen journal       looks into journals
//
// docs/tuning.md shows how to use them; what follows is about clusters.
//
// # Exit status
//
// 0 says that every certificate that any member reported was verified, by a scheme instance that is no member's; that no two
// differed for one chunk and no member reported a conflict or blamed another; and that every lane was extended. 1 says that
// something of this failed, or that the run could not go on; what it was is said on standard error. 2 says that the
// command line asks for something impossible.
//
// # Going on
//
// With --data DIR the journals stay, one folder per member, beside a manifest.json that says what cluster they are of. A later
// run in the same folder takes the cluster from the manifest and continues every lane, however the one before ended; flags that
// contradict the manifest are refused. Payloads are made anew in each run, so that a member which forgot what it had
// said before the restart would be caught contradicting itself.
//
// # Members and lanes in a cluster
//
// Member i < --validators is validator i. The first --sequencers members sequence; if these are more than the validators, the
// further ones are engines that sequence without validating.
package main
