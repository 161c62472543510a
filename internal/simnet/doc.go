// Package simnet is a network in memory: the members of a simulated cluster exchange messages through it,
// in real time, with the latency, jitter, loss and cut links that a test or a load
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
// [Network.NewTransport] makes a network.Transport of an identity instead: peers that connect, typed
// messages in batches, requests and answers, over the same links.
//
// # Delivery of a message
//
// For each message sent, the link's random source makes two decisions, whatever the conditions:
// whether the message is lost, and how much jitter it gets. So the k-th message of a link gets the
// same decisions in every run with the same seed, although the times of sending and receiving are
// those of a real program. The message then waits for latency and jitter to pass, and is handed to
// the receiver as a copy in a pooled buffer, which the receiver owns. Of the messages that are due,
// those with priority go first. A link without jitter keeps the order among messages of equal
// priority.
//
// Queues are bounded per link ([Conditions.Queue]): a message sent on a full link is dropped and
// counted, so that a slow receiver costs bounded memory, and a flooding sender crowds out only
// itself.
//
// # Goroutines
//
// An endpoint has one goroutine, which sleeps until its next message is due and calls the receiver;
// there is none per message. A transport has one more per peer, which calls the handler. [Endpoint.Close] and [Network.Close] wait for it. Time is package
// time's, so a network made inside a testing/synctest bubble runs on the bubble's clock.
//
// The package never looks into messages: the receiver checks who sent what.
package simnet
