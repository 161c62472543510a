// Package link delays the connections of a member, and counts their traffic.
//
// # Delays and losses
//
// Each member delays the bytes that it sends; the bytes that it receives were delayed by its peers.
// One write of package network to a connection holds one or more frames, in TLS records. Its bytes
// first pass the member's own uplink at Bandwidth, which all of its connections share in the order
// of their writes. They go to the socket Latency and a random part of Jitter later. Handshakes,
// pings and goodbyes are delayed in the same way. TCP's own packets are not: connecting takes no
// time, and acknowledgements come at once. Bytes keep their order on a connection, so jitter that
// delays a write delays those behind it. A write waits while 8 MiB of the connection are under way.
//
// Loss drops messages before they enter the queue of a peer, as in a simulated network: a message
// to several recipients is lost for each one independently. Answers to requests and the network's
// own frames are never lost. Lost TCP segments delay everything behind them, and are not covered
// here: use tc netem.
package link
