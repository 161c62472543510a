package link

import (
	"net"

	"golang.org/x/sys/unix"
)

// trafficOf returns TCP's counts for a connection; an error means that the connection is closed.
func trafficOf(c *net.TCPConn) (t Traffic, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return t, err
	}
	var info *unix.TCPInfo
	var asking error
	err = raw.Control(func(fd uintptr) { info, asking = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil {
		return t, err
	}
	if asking != nil {
		return t, asking
	}
	return Traffic{
		Known: true, Sent: info.Bytes_sent, Received: info.Bytes_received, Packets: uint64(info.Segs_out), Retransmitted: info.Bytes_retrans,
	}, nil
}
