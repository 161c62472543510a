// Package bench measures the cost of verifying acks in Lanecast's way and in other ways that are in
// use, in one run. README.md explains each way and how to read the numbers.
//
// [Measure] runs the ways of one [Case] interleaved, slice by slice, and keeps the cheapest slice
// of each: the speed of a shared machine drifts by a third within minutes, which affects
// interleaved slices of all ways equally. [MeasureCertificates] does the same for received
// threshold certificates. The benchmarks of this package report what these two return, and the
// program in cmd/table prints it as a table with ratios.
//
//	go test ./bench -run '^$' -bench 'VerifyAcks/minsig/n=100'
//	go run ./bench/cmd/table
//
// Lanecast's ways use [batch.Verifier] with one worker, as the engine does. The others use blst's
// bindings, and exist only with cgo.
package bench
