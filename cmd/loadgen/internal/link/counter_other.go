//go:build !linux

package link

import (
	"errors"
	"net"
)

// trafficOf fails: only Linux provides these counts.
func trafficOf(*net.TCPConn) (Traffic, error) { return Traffic{}, errors.ErrUnsupported }
