// Package simnet is a network in memory: the members of a simulated cluster exchange messages
// through it, in real time, with the latency, jitter, loss and cut links that a test or a load
// generator configures.
//
// # Use
//
// A [Network] has one [Endpoint] per identity. [Network.Join] makes it, with the function that
// receives its messages; [Endpoint.Send] sends a message to any number of others. Every ordered
// pair of identities is a link of its own. It has the conditions of [Config.Default] until
// [Network.SetLink] changes them.
//
//	net, err := simnet.New(simnet.Config{Seed: 7, Default: simnet.Conditions{Latency: 20 * time.Millisecond}})
//	...
//	a, err := net.Join(alice, func(m simnet.Message) { ...; m.Body.Release() })
//	a.Send([]wire.PublicKey{bob}, simnet.Node, encoded, false)
//
// [Network.NewTransport] makes a network.Transport for an identity instead: peers that connect,
// typed messages in batches, requests and answers, over the same links.
//
// # Delivery of a message
//
// For each message sent, the link's random source makes two decisions under all conditions: whether
// the message is lost, and its jitter. So the k-th message of a link gets the same decisions in
// every run with the same seed, although the times of sending and receiving are those of a real
// program. After latency and jitter the receiver gets a copy of the message in a pooled buffer,
// which it owns. Of the messages that are due, those with priority are delivered first. A link
// without jitter keeps the order among messages of equal priority.
//
// Queues are bounded per link ([Conditions.Queue]): a message sent on a full link is dropped and
// counted, so that a slow receiver costs bounded memory, and a flooding sender loses only its own
// messages.
//
// # Goroutines
//
// An endpoint has one goroutine, which sleeps until its next message is due and calls the receiver;
// there is no goroutine per message. A transport has one more for each peer, which calls the
// handler. [Endpoint.Close] and [Network.Close] wait for it. The clock is that of package time, so
// a network made inside a testing/synctest bubble runs on the bubble's clock.
//
// The package never reads the content of messages: the receiver verifies their senders.
package simnet
