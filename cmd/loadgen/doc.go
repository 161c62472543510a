// Loadgen runs, drives and measures Lanecast.
//
// Without argument it runs a cluster in one process for ten seconds: 4 validators, each with the
// real engine, real keys and a journal on disk, joined by a simulated network; every one of them
// sequences a lane of its own, as fast as its chunks get certified. It prints a line a second and a
// summary at the end.
//
//	go run ./cmd/loadgen
//	go run ./cmd/loadgen --validators 31 --scheme threshold --variant minpk
//	go run ./cmd/loadgen --latency 50ms --loss 0.1 --duration 30s --json result.json
//
// Subcommands:
//
//	loadgen node          one engine, everybody else played by a generator: what can a node of mine verify, and how fast?
//	loadgen sweep         node mode over lists of settings: which are best here?
//	loadgen compare A B   what changed between two results, and is it more than noise?
//	loadgen journal       looks into journals
//
// docs/tuning.md shows how to use them. The flags for what a run shows and writes are the same for
// all: --json, --report (a page for a browser), --live, --metrics, --pprof, --cpuprofile, --repeat,
// and but for sweeps --require.
//
// # Exit status
//
// 0 says that a run was good and met every --require; of a sweep, that all its runs were. 1 says
// that something failed, or that it could not go on; what it was is said on standard error. 2 says
// that the command line asks for something impossible, or for a file or port that cannot be had:
// one line on standard error says what to do.
//
// A cluster's run is good if every certificate that any member reported was verified, by a scheme
// instance that is no member's; no two differed for one chunk and no member reported a conflict or
// blamed another; and every lane was extended. A node's is good if it certified anything, a sample
// of its certificates was verified likewise, and it blamed none but who plays an attacker.
//
// SIGINT and SIGTERM end a run early; a second one kills. What was measured until then is printed
// and written to all files, marked as interrupted. The exit status of a run that was cut short is
// that of what it got to. It is 1 if the question was not answered: a sweep with runs left to do, a
// --find-max or --load that had not got to its rate, a run that had not begun.
//
// # Going on
//
// With --data DIR the journals stay, one folder per member, beside a manifest.json that says what
// cluster they are of. A later run in the same folder takes the cluster from the manifest and
// continues every lane, however the one before ended; flags that contradict the manifest are
// refused. Payloads are made anew in each run, so that a member which forgot what it had said
// before the restart would be caught contradicting itself.
//
// # Members and lanes in a cluster
//
// Member i < --validators is validator i. The first --sequencers members sequence; if these are
// more than the validators, the further ones are engines that sequence without validating.
package main
