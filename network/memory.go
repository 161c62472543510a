package network

import "unsafe"

// Memory in bytes of a connection that does not depend on configuration.
const (
	connMemory = readSize + // what was read of the socket
		2*maxRecord + // of crypto/tls: a record read, twice for how its buffer grows, ...
		maxRecord + // ... and one that is written
		plainSize + // a record's bytes
		batchBytes + batchLimit*int(unsafe.Sizeof(Message{})) + // a batch
		72<<10 // keys, goroutines' stacks, and all else
	handshakeMemory = connMemory - batchBytes
)

// MaxMemory returns the bytes that a network with this configuration may use while it is connected to
// a number of peers, whatever they send and however little they read. See the package comment. An
// invalid configuration has the memory of none.
func (c Config) MaxMemory(peers int) int64 {
	c, err := c.withDefaults()
	if err != nil {
		return 0
	}
	var largest [classes]int
	for _, t := range c.Types {
		largest[t.Class] = max(largest[t.Class], t.Limit)
	}
	perPeer, request, answer := int64(0), 0, 0
	for class := range largest {
		if class == int(Bulk) && largest[Bulk] == 0 {
			continue
		}
		limit := largest[class]
		conn := connMemory +
			writeSize + limit + headSize + numberSize + // what is being written
			2*limit + // a frame that has not come in whole, in a buffer that has doubled
			limit // the message that exceeds batchBytes
		perPeer += int64(maxConns/classes*conn) + int64(c.QueueBytes) + int64(2*c.QueueMessages)*int64(unsafe.Sizeof(outgoing{})) // the ring may have doubled
	}
	for _, t := range c.Types {
		switch t.Kind {
		case Request:
			request = max(request, t.Limit)
		case Answer:
			answer = max(answer, t.Limit)
		}
	}
	return int64(peers)*perPeer +
		int64(c.MaxServing+c.servingFollowers())*int64(2*request+answer+16<<10) +
		int64(c.MaxHandshakes)*int64(handshakeMemory)
}
