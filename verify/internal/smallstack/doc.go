// Package smallstack runs a function on a thread with a small stack, and measures how much of it
// the C code uses that the function calls. It is for tests: some C libraries give a thread 128 KiB
// (musl), and C that needs more ends the process.
//
// It needs cgo and POSIX threads; without them it has no function.
package smallstack
