package testkit

import "github.com/lanecast/lanecast/wire"

// Discard drops all messages. It implements engine.Sender.
type Discard struct{}

// SendNode implements engine.Sender.
func (Discard) SendNode([]wire.PublicKey, []byte) {}

// SendAck implements engine.Sender.
func (Discard) SendAck([]wire.PublicKey, []byte) {}

// SendCertificate drops the message.
func (Discard) SendCertificate([]wire.PublicKey, []byte) {}
