package link

import (
	"net"
	"sync"
)

// Traffic is what TCP has carried for a member, by its own account.
type Traffic struct {
	Known         bool   `json:"known"` // the system tells
	Sent          uint64 `json:"sent_bytes"`
	Received      uint64 `json:"received_bytes"`
	Packets       uint64 `json:"sent_packets"`
	Retransmitted uint64 `json:"retransmitted_bytes"` // of those sent
}

func (t *Traffic) add(o Traffic) {
	t.Known = t.Known || o.Known
	t.Sent += o.Sent
	t.Received += o.Received
	t.Packets += o.Packets
	t.Retransmitted += o.Retransmitted
}

// counter adds up what sockets have carried. A connection that closes between two readings is counted
// with what it had at the last.
type counter struct {
	mu   sync.Mutex
	open map[*net.TCPConn]Traffic // as last read
	gone Traffic                  // of those that have closed
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

// Traffic reads what the sockets have carried so far, without the headers of TCP and IP, with what was
// retransmitted.
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
