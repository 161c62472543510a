// Package network carries messages between processes that are known by their Ed25519 identities, over
// TCP and TLS 1.3. It implements docs/protocol.md 8. It knows no engine and no chain: which types of
// messages there are, who is admitted, and what the processes should have alike is given to it.
//
// # Use
//
// [New] takes a [Config]; [Network.Run] serves until its context ends, and calls a [Handler].
// [Network.Send] and [Network.Request] may be called at any time. [Transport] is the interface behind
// which another network can stand; package network/conformance has the tests that each must pass, and
// package network/bridge connects an engine to any of them.
//
//	n, err := network.New(network.Config{
//		Key:       key,                // Ed25519: our identity, or see Config.Proof
//		Types:     bridge.Types(0),    // what we send, by class
//		Settings:  network.Settings{Namespace: namespace},
//		Listener:  listener,
//		Addresses: addresses,          // by identity
//	})
//	...
//	err = n.Run(ctx, handler)
//
// # Connections
//
// Two processes have one connection per class. Both dial; docs/protocol.md 8 says which of several
// connections stays, and both sides decide alike. One that loses is read to its end, so that
// nothing is lost that was sent after the peer was connected, unless nothing comes for 5 seconds or
// the end is more than a minute away. A connection that breaks loses what was on its way. What was
// in the queue of a peer waits for its next connection while its control connection is there, and
// is dropped when the peer is disconnected.
//
// A process whose transport is replaced by another with the same identity is noticed by its instance,
// 16 random bytes of each start. Two processes that run with one identity at the same time replace
// each other's connections for good, which the log of their peers shows.
//
// # Isolation
//
// Each connection has a goroutine that reads and one that writes, and each peer a queue per class. A
// peer that is slow, dead or floods delays and drops its own messages only, the newest first. What
// several peers share is the rate and the places of bulk ([Config.BulkRate], [Config.BulkPeers]),
// where a peer that takes nothing gives its place up, and [Config.MaxServing], half of which is
// divided equally among members. Members go before followers: see [Config.MaxPeers], and for what
// followers have [Config.MaxFollowers].
//
// A [Handler] that does not return from Messages stops the reading of one connection. A peer that
// reads nothing for [Config.WriteTimeout] loses its connection.
//
// # Reading
//
// Everything that a read brings is handed over together. A peer that sends each message by itself, at
// once, would cost a wake-up, two system calls and an acknowledgement of TCP for each, which is more
// than all other work on an ack. So a control connection on which small records come at a high rate
// pauses before it is read again, for [Config.ReadPause] at most. All that pause are woken together by
// one timer, and on Linux their sockets are made to wake nobody meanwhile.
//
// # Who owns which bytes
//
// What Send is given is kept, shared by all recipients, and must never change. What comes in is
// copied once, from what was decrypted into a pooled [wire.Buffer] of its own, which the handler
// owns. In steady state no message costs an allocation, sent or received; package crypto/tls makes one
// of 24 bytes for each read of a socket.
//
// # Memory
//
// While p peers are connected or leaving, [Config.MaxMemory] bounds what the network uses, whatever
// peers send and however little they read. Buffers that the handler has taken over are the
// handler's. With L the largest limit of a class, it is the sum of
//
//	per connection         64 KiB read of the socket, 54 KiB of TLS records, 16 KiB decrypted,
//	                       140 KiB of messages about to be handed over, 72 KiB of keys and stacks,
//	                       64 KiB + L being written, 3·L being read; three of them per peer and
//	                       class, for the moments when one replaces another
//	per peer and class     QueueBytes + 144·QueueMessages
//	per request served     twice its limit, the limit of an answer, 16 KiB; MaxServing of them,
//	                       and an eighth more
//	per handshake          236 KiB; MaxHandshakes of them
//
// Requests of our own cost what the caller keeps, and are at most [MaxRequests] per peer and class.
// The queue holds references: a message to many peers is there once, but counts for each.
//
// # Trust
//
// A peer's TLS certificate proves its key, and nothing else in it is looked at. An unknown identity
// costs one handshake and is refused; handshakes are bounded in number, per address and in time.
// Every length is checked against the limit of its type before memory is made for it. Keys are never
// logged, and a peer's texts only in quotes.
//
// # Metrics
//
// Their names begin with lanecast_network_. None has a label per peer; [Network.Peers] tells of each.
//
//	peers{role}, connections{class}                      gauges
//	queue_messages{class}, queue_bytes{class}            what waits to be sent
//	sent_messages_total{type}, sent_bytes_total{type}    likewise received_…
//	dropped_messages_total{reason}                       queue_full, not_connected, too_long, no_such_type
//	skipped_frames_total                                 of unknown types, from newer software
//	read_pauses_total                                    see Config.ReadPause
//	dials_total                                          attempts, the first to a peer and all later ones
//	connections_failed_total{reason}                     dial, tls, timeout, too_many, other_identity,
//	                                                     settings, refused, busy, protocol, other
//	settings_differ_total{setting}                       acks to, version, validators
//	requests_serving, requests_refused_total, answers_late_total
//	round_trip_seconds                                   of pings
package network
