// Package aggregate gathers acks until they make certificates, decides which of them are verified
// when, and holds the certificates that came of it. It is for the packages of this module: the core
// owns it. It has no goroutine, no lock, no clock and no cryptography.
//
// # How an ack becomes a certificate
//
// An ack that has passed the cheap rules of 4.3 is a vote. [Lane.Add] counts it: its signature
// bytes are copied into the slab of its slot, which stands for one (sequencer, height, epoch), at
// the place of its participant. A validator has one place there whatever it votes for, so that a
// slot never holds more than n signatures. The votes for one payload are a candidate.
//
// Once a candidate may have a quorum, [Votes.Next] makes a [Statement] of its votes, now or when a
// verification place is free. From then to the verdict the places of its signers are read-only, by
// construction: a validator's place is written once. Other places may be filled meanwhile. A slot
// that is closed while a statement refers to its slab keeps the memory until the verdict; only then
// is it used again.
//
// [Votes.Resolve] takes the verdict: a certificate, or invalid votes, or neither. [Lane.Certify]
// holds a certificate and closes its slot: certificates replace votes.
//
// The caller calls Next after Add said Quorate, after each Resolve, and no later than
// [Votes.Deadline] says. Nothing here calls back.
//
// # Weight
//
// Votes count by the weight of their validators in a [Set]. Of more votes than a quorum needs, a
// statement takes some, in a way that gives statements the same signers, since such are verified
// together for less. Where all weigh the same, those come first that a rotating start says, so that nobody
// is left out of certificates for good. Where weights differ, a quorum of a recent statement is
// taken again if all its signers have voted, and else the heaviest votes: fewest signers certify
// for least. There a light validator may vote on everything and be in few certificates, so
// participation is not to be judged by certificates.
//
// # Bounds
//
// The caller adds votes only for a bounded range of heights and epochs. On top of that the slabs of
// all slots stay below Config.MaxBytes, and what is kept to be used again below a quarter of that.
// Slots that are not needed now (heights or epochs ahead) may use half of it, and of that half each
// validator can open an equal share, so that no validator can crowd out the others.
package aggregate
