// Package link makes the connections of a member slower than the machine's own, and counts what they
// carry.
//
// # What is delayed
//
// Each member shapes what it sends; what it receives was shaped by its peers. The bytes of each write
// to a connection, which is what package network writes at once (one or more frames, in TLS records), go
// to the socket Latency and a random part of Jitter later, after they have passed the member's own
// uplink at Bandwidth, which all of its connections share in the order of their writes. Handshakes,
// pings and goodbyes are delayed as all else is. TCP's own packets are not: connecting takes no time,
// and acknowledgements come at once. Bytes keep their order on a connection, so jitter that delays a
// write delays those behind it. A write waits while 8 MiB of the connection are under way.
//
// Loss is of messages, before they are put in the queue of a peer, as in a simulated network: a message
// to several recipients is lost for each by itself. Answers to requests and the network's own frames are
// never lost. Lost TCP segments, which delay all that is behind them, are another thing: use tc netem.
package link
