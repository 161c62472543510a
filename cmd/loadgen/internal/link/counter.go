package link

import (
	"net"
	"sync"
)

// Traffic is the traffic of a member's connections, as TCP counts it.
type Traffic struct {
	Known         bool   `json:"known"` // the system provides these counts
	Sent          uint64 `json:"sent_bytes"`
	Received      uint64 `json:"received_bytes"`
	Packets       uint64 `json:"sent_packets"`
	Retransmitted uint64 `json:"retransmitted_bytes"` // part of the sent bytes
}

func (t *Traffic) add(o Traffic) {
	t.Known = t.Known || o.Known
	t.Sent += o.Sent
	t.Received += o.Received
	t.Packets += o.Packets
	t.Retransmitted += o.Retransmitted
}

// counter adds up the traffic of sockets. The last reading of a connection counts if the connection
// closes before the next one.
type counter struct {
	mu   sync.Mutex
	open map[*net.TCPConn]Traffic // as last read
	gone Traffic                  // sum for closed connections
}

func (c *counter) watch(conn net.Conn) {
	socket, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[*net.TCPConn]Traffic)
	}
	c.open[socket] = Traffic{}
}

// Traffic returns the traffic of the sockets so far, without the headers of TCP and IP, including
// retransmissions.
func (l *Links) Traffic() Traffic {
	c := &l.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.gone
	for socket, last := range c.open {
		now, err := trafficOf(socket)
		if err != nil {
			c.gone.add(last)
			sum.add(last)
			delete(c.open, socket)
			continue
		}
		c.open[socket] = now
		sum.add(now)
	}
	return sum
}
