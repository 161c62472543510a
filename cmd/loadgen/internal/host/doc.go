// Package host describes the computer that a run uses, and measures the time and memory that this
// process uses.
package host
