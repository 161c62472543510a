//go:build !linux

package network

import "net"

// lowWaterSocket does nothing here; it is used on Linux only.
type lowWaterSocket struct{}

func newLowWaterSocket(net.Conn) *lowWaterSocket { return nil }
func (*lowWaterSocket) raise(int)                {}
func (*lowWaterSocket) take([]byte) int          { return 0 }
func (*lowWaterSocket) lower()                   {}
