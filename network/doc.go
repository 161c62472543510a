// Package network carries messages between processes that are known by their Ed25519 identities,
// over TCP and TLS 1.3. It implements docs/protocol.md 8. It knows no engine and no chain: the host
// gives it the types of messages, the identities that are admitted, and the settings that must be
// equal in all processes.
//
// # Use
//
// [New] takes a [Config]; [Network.Run] serves until its context ends, and calls a [Handler].
// [Network.Send] and [Network.Request] may be called at any time. [Transport] is the interface for
// other networks; package network/conformance has the tests that each must pass, and package
// network/bridge connects an engine to any of them.
//
//	n, err := network.New(network.Config{
//		Key:       key,                // Ed25519: our identity, or see Config.Proof
//		Types:     bridge.Types(0),    // the types of messages
//		Settings:  network.Settings{Namespace: namespace},
//		Listener:  listener,
//		Addresses: addresses,          // by identity
//	})
//	...
//	err = n.Run(ctx, handler)
//
// # Connections
//
// Two processes have one connection per class. Both dial; by docs/protocol.md 8 both sides agree
// which of several connections stays. A connection that loses is read to its end, so that no
// message sent after the peer was connected is lost, unless nothing comes for 5 seconds or the end
// is more than a minute away. Messages under way on a connection that breaks are lost. The queue of
// a peer waits for the next connection while its control connection is there, and is dropped when
// the peer is disconnected.
//
// Each start of a process draws an instance of 16 random bytes. When a transport is replaced by
// another with the same identity, peers notice the new instance. Two processes that run with one
// identity at the same time keep replacing each other's connections, which the log of their peers
// shows.
//
// # Isolation
//
// Each connection has one goroutine that reads and one that writes; each peer has a queue per
// class. A peer that is slow, dead or floods delays and drops only its own messages, the newest
// first. Several peers share the rate and the places of bulk ([Config.BulkRate],
// [Config.BulkPeers]), where a peer that takes nothing loses its place, and [Config.MaxServing],
// half of which is divided equally among them. Members have precedence over followers: see
// [Config.MaxPeers].
//
// A [Handler] that does not return from Messages stops the reading of one connection only. A peer
// that reads nothing for [Config.WriteTimeout] loses its connection.
//
// # Reading
//
// All messages of one read are handed over together. A peer that sends each message by itself, at
// once, would cost a wake-up, two system calls and a TCP acknowledgement for each, which is more
// than all other work on an ack. So a control connection on which small records come at a high rate
// pauses before it is read again, for [Config.ReadPause] at most. One timer wakes all connections
// that pause, and on Linux their sockets wake no thread meanwhile.
//
// # Who owns which bytes
//
// The message given to Send is kept, shared by all recipients, and must never change. An incoming
// message is copied once, from the decrypted bytes into a pooled [wire.Buffer] of its own, which
// the handler owns. In steady state no message costs an allocation, sent or received; package
// crypto/tls makes one of 24 bytes for each read of a socket.
//
// # Memory
//
// While p peers are connected or leaving, [Config.MaxMemory] bounds the memory of the network,
// whatever peers send and however little they read. Buffers that the handler has taken over are not
// included. With L the largest limit of a class, the bound is the sum of
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
// The caller keeps the messages of its own requests; at most [MaxRequests] are open per peer and
// class. The queue holds references: a message to many peers is in memory once, but counts for
// each.
//
// # Trust
//
// A peer's TLS certificate proves its key; nothing else in the certificate is used. An unknown
// identity costs one handshake and is refused; handshakes are bounded in number, per address and in
// time. Every length is checked against the limit of its type before memory is allocated for it.
// Keys are never logged, and texts from a peer are logged in quotes only.
//
// # Metrics
//
// The names of the metrics begin with lanecast_network_. None has a label per peer; [Network.Peers]
// returns the state of each.
//
//	peers{role}, connections{class}                      gauges
//	queue_messages{class}, queue_bytes{class}            waiting to be sent
//	sent_messages_total{type}, sent_bytes_total{type}    the same for received_…
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
