//go:build !linux

package link

import (
	"errors"
	"net"
)

// trafficOf fails: only Linux tells.
func trafficOf(*net.TCPConn) (Traffic, error) { return Traffic{}, errors.ErrUnsupported }
