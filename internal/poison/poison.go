// Package poison is a switch for tests that find misuse of pooled buffers. While it is on, package
// wire overwrites the memory of each released buffer, so that a view used after the release reads
// garbage, and counts the buffers that have an owner. Package replica does the same with the
// buffers of bodies.
package poison

import "sync/atomic"

// Byte fills released memory. No BLS point begins with it, and no varint of one byte has this
// value.
const Byte = 0xDB

var (
	on    atomic.Bool  // tests write it, the owners of pools read it
	owned atomic.Int64 // the owners of pools write it, tests read it
)

// Switch turns poisoning on or off.
func Switch(to bool) { on.Store(to) }

// On reports whether poisoning is on.
func On() bool { return on.Load() }

// Owned returns the number of buffers that were handed out while poisoning was on and are not
// released yet.
func Owned() int { return int(owned.Load()) }

// Count adds to the number that Owned returns.
func Count(buffers int) { owned.Add(int64(buffers)) }

// Fill overwrites b.
func Fill(b []byte) {
	for i := range b {
		b[i] = Byte
	}
}
