package measure

import "sync/atomic"

// Sent counts the messages that engines pass to their Sender, each once per recipient.
type Sent struct{ nodes, acks, certificates, bytes atomic.Uint64 }

// Node counts a node with that many recipients.
func (s *Sent) Node(to int, message []byte) { s.count(&s.nodes, to, message) }

// Ack counts an ack in the same way.
func (s *Sent) Ack(to int, message []byte) { s.count(&s.acks, to, message) }

// Certificate counts a certificate message in the same way.
func (s *Sent) Certificate(to int, message []byte) { s.count(&s.certificates, to, message) }

func (s *Sent) count(kind *atomic.Uint64, to int, message []byte) {
	kind.Add(uint64(to))
	s.bytes.Add(uint64(to) * uint64(len(message)))
}

// Bytes returns the bytes sent so far.
func (s *Sent) Bytes() uint64 { return s.bytes.Load() }

// Read returns the numbers so far.
func (s *Sent) Read() Messages {
	return Messages{s.nodes.Load(), s.acks.Load(), s.certificates.Load()}
}

// Messages are numbers of messages by kind.
type Messages struct {
	Nodes        uint64 `json:"nodes"`
	Acks         uint64 `json:"acks"`
	Certificates uint64 `json:"certificates"`
}

// MessagesPer are numbers of messages for each certificate.
type MessagesPer struct {
	Nodes        float64 `json:"nodes"`
	Acks         float64 `json:"acks"`
	Certificates float64 `json:"certificates"`
}

// Per returns the messages since an earlier reading per certificate. certificates must be above 0.
func (m Messages) Per(before Messages, certificates uint64) MessagesPer {
	n := float64(certificates)
	return MessagesPer{
		Nodes: float64(m.Nodes-before.Nodes) / n, Acks: float64(m.Acks-before.Acks) / n,
		Certificates: float64(m.Certificates-before.Certificates) / n,
	}
}

// Total returns the sum over all kinds.
func (m MessagesPer) Total() float64 { return m.Nodes + m.Acks + m.Certificates }
