// Package aggregate gathers acks until they make certificates, decides which acks are verified and
// when, and holds the resulting certificates. It is for the packages of this module: the core owns
// it. It has no goroutine, no lock, no clock and no cryptography.
//
// # How an ack becomes a certificate
//
// An ack that has passed the cheap rules of 4.3 is a vote. [Lane.Add] counts it: its signature
// bytes are copied into the slab of its slot, which stands for one (sequencer, height, epoch), at
// the place of its participant. A validator has one place in the slot whatever it votes for, so a
// slot never holds more than n signatures. The votes for one payload are a candidate.
//
// Once a candidate may have a quorum, [Votes.Next] makes a [Statement] of its votes, immediately or
// when a verification place is free. From then to the verdict the places of its signers are
// read-only, because a validator's place is written once. Other places may be filled meanwhile. A
// slot that is closed while a statement refers to its slab keeps the memory until the verdict; the
// memory is reused only after that.
//
// [Votes.Resolve] takes the verdict: a certificate, or invalid votes, or neither. [Lane.Certify]
// holds a certificate and closes its slot: certificates replace votes.
//
// The caller calls Next after Add returned Quorate, after each Resolve, and at [Votes.Deadline] at
// the latest. This package never calls the caller.
//
// # Weight
//
// Votes count by the weight of their validators in a [Set]. If there are more votes than a quorum
// needs, a statement selects some of them. It selects so that many statements have the same
// signers, because such statements are cheaper to verify together. If all weights are equal,
// selection starts at a rotating validator, so that no validator is left out of certificates for
// good. If weights differ, the quorum of a recent statement is selected again if all its signers
// have voted, and otherwise the heaviest votes, because fewer signers cost less. In such a set a
// validator of low weight may vote on every chunk and be in few certificates, so certificates do
// not measure participation.
//
// # Suspects
//
// A validator of whom a vote was proven invalid is a suspect (docs/protocol.md 3.3). Its votes are
// verified only if the other validators have not made the quorum within Config.SuspectDelay. Checks
// of suspects' votes that find invalid ones cost a fixed share of the time of one worker, whatever
// suspects send.
//
// # Bounds
//
// The caller adds votes only for a bounded range of heights and epochs. In addition, the slabs of
// all slots stay below Config.MaxBytes, and the memory kept for reuse below a quarter of that.
// Slots that are not needed yet (heights or epochs ahead) may use half of MaxBytes. Each validator
// can open slots for an equal share of that half, so that no validator can crowd out the others.
package aggregate
