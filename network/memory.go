package network

import "unsafe"

// The memory of a connection, in bytes, that does not depend on configuration.
const (
	connMemory = readSize + // bytes read from the socket
		2*maxRecord + // of crypto/tls: a record being read, twice because its buffer doubles, ...
		maxRecord + // ... and a record being written
		plainSize + // a record's bytes
		batchBytes + batchLimit*int(unsafe.Sizeof(Message{})) + // a batch
		72<<10 // keys, goroutines' stacks, and all else
	handshakeMemory = connMemory - batchBytes
)

// MaxMemory returns a bound, in bytes, on the memory of a network with this configuration while it
// is connected to a number of peers, whatever they send and however little they read. See the
// package comment. For an invalid configuration it returns the memory for no peers.
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
			writeSize + limit + headSize + numberSize + // being written
			2*limit + // an incomplete frame, in a buffer that has doubled
			limit // the message that exceeds batchBytes
		// The ring may have doubled.
		perPeer += int64(maxConns/classes*conn) + int64(c.QueueBytes) + int64(2*c.QueueMessages)*int64(unsafe.Sizeof(outgoing{}))
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
