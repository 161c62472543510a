// Package simnet is a network between processes of one program: the members of a simulated cluster exchange
// their nodes and acks through it, in real time, with the latency, jitter, loss and cut links that a test or a load
// generator asks for.
//
// # Use
//
// A [Network] has one [Endpoint] per identity. [Network.Join] makes it, with the function that is to receive its
// messages; [Endpoint.Send] sends a message to any number of others. Every ordered pair of identities is a link of its
// own, and has the conditions of [Config.Default] until [Network.SetLink] gives it others.
//
//	net, err := simnet.New(simnet.Options{Seed: 7, Default: simnet.Conditions{Latency: 20 * time.Millisecond}})
//	...
//	a, err := net.Join(alice, func(m simnet.Message) { ...; m.Body.Release() })
//	a.Send([]wire.PublicKey{bob}, simnet.Node, encoded, false)
//
// # What a message meets
//
// On sending, the link's random source decides, twice per message and whatever the conditions: is it lost, and how much
// jitter it gets. So the k-th message of a link meets the same decisions in every run with the same seed, although the
// times at which messages are sent and received are those of a real program. A message then waits for latency and jitter to
// pass, and is handed to the receiver as a copy in a pooled buffer, which the receiver owns. Of the messages that are due,
// those with priority go first. A link without jitter keeps the order among messages of equal priority.
//
// Queues are bounded per link ([Conditions.Queue]): what is sent on a full link is dropped and counted, so that
// a slow receiver costs bounded memory, and a flooding sender crowds out only itself.
//
// # Goroutines
//
// An endpoint has one goroutine, which sleeps until its next message is due and calls the receiver; there is none per
// message. [Endpoint.Close] and [Network.Close] wait for it. Time is package time's, so that a network that was made inside a
// testing/synctest bubble runs on the bubble's clock.
//
// What never happens here: looking into messages. Who sends what, and whether it makes sense, is for the receiver.
package simnet
