// Package poison is the switch with which tests find misuse of pooled buffers. While it is on,
// package wire overwrites the memory of a buffer that is released, so that a view that outlived its
// buffer shows up as garbage at once, and counts the buffers that have an owner. So does package
// replica with the buffers of bodies.
package poison

import "sync/atomic"

// Byte is what released memory is filled with. As first byte of a point, key or varint it is as
// wrong as a byte can be.
const Byte = 0xDB

var (
	on    atomic.Bool  // tests write it, the owners of pools read it
	owned atomic.Int64 // the owners of pools write it, tests read it
)

// Switch turns it on or off.
func Switch(to bool) { on.Store(to) }

// On reports whether it is on.
func On() bool { return on.Load() }

// Owned returns how many of the buffers handed out while it was on have not been released.
func Owned() int { return int(owned.Load()) }

// Count adds to what Owned returns.
func Count(buffers int) { owned.Add(int64(buffers)) }

// Fill overwrites b.
func Fill(b []byte) {
	for i := range b {
		b[i] = Byte
	}
}
