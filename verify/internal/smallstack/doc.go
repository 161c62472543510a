// Package smallstack runs a function on a thread with a small stack, and measures how much of it C
// code called by the function uses. It is for tests: threads have 128 KiB with some C libraries
// (musl), and the process ends if C code needs more.
//
// It needs cgo and POSIX threads; without them the package is empty.
package smallstack
