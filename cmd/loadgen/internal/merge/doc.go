// Package merge makes the result of a network from the records of its members: while they run, on
// one machine, and afterwards, from files that were collected from several. Both use the same code.
//
// The records are read in the order of time, and audited as they are read. Every certificate is
// verified by a scheme instance of its own. No two members may have locked two payloads for one
// place, and no member may have sent two, over all processes of the member.
package merge
