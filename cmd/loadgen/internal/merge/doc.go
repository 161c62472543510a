// Package merge makes the result of a network of what its members have recorded: while they run, on one
// machine, and afterwards, of files that were brought together from several. Both go the same way.
//
// The records are read in the order of time, and audited as they are read: every certificate is verified
// by a scheme instance of its own, and no two members may have locked, nor one member have sent, two
// payloads for one place, over all processes of a member that there were.
package merge
