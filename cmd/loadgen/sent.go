package main

import "sync/atomic"

// sent counts the messages that engines hand to their Sender, each as often as it has recipients.
type sent struct{ nodes, acks, certificates atomic.Uint64 }

func (s *sent) read() messages {
	return messages{s.nodes.Load(), s.acks.Load(), s.certificates.Load()}
}

// messages are numbers of messages by kind.
type messages struct{ nodes, acks, certificates uint64 }

// messagesPer are numbers of messages for each certificate.
type messagesPer struct {
	Nodes        float64 `json:"nodes"`
	Acks         float64 `json:"acks"`
	Certificates float64 `json:"certificates"`
}

// per returns the messages since an earlier reading for each of so many certificates, which are
// more than none.
func (m messages) per(before messages, certificates uint64) messagesPer {
	n := float64(certificates)
	return messagesPer{
		Nodes: float64(m.nodes-before.nodes) / n, Acks: float64(m.acks-before.acks) / n,
		Certificates: float64(m.certificates-before.certificates) / n,
	}
}

func (m messagesPer) total() float64 { return m.Nodes + m.Acks + m.Certificates }
