//go:build !linux

package network

import "net"

// quietSocket does nothing here; it is used on Linux only.
type quietSocket struct{}

func newQuietSocket(net.Conn) *quietSocket { return nil }
func (*quietSocket) hush(int)              {}
func (*quietSocket) take([]byte) int       { return 0 }
func (*quietSocket) speak()                {}
