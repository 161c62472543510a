// Package aggregate gathers acks until they may be a certificate, and holds the certificates that came of it. It is
// plain data that the core owns: no goroutine, no lock, no clock, no cryptography.
//
// # How data passes through
//
// A [Table] caps the memory of all that waits. Each sequencer has a [Lane] in it. An ack that passed the cheap
// rules of PROTOCOL.md 4.3 is a [Vote]: its signature bytes are copied into the slab of its [Slot], which stands for one
// (sequencer, height, epoch), at the place of its participant. A validator has one place there whatever it votes for, so
// that a slot never holds more than n signatures; the votes for one payload are a [Candidate].
//
// Once a candidate could have a quorum it becomes a [verify.Statement], which refers to the slab. From then to the
// verdict ([Slot.Settle]) the places of its signers are read-only, by construction: a validator's place is written once. Other
// places may be filled meanwhile. A slot that is closed while a statement refers to its slab keeps the memory until the
// verdict; only then is it used again.
//
// Votes of [Suspects], validators that have been proven to send invalid acks, are counted apart: they become part of a
// statement only where the others cannot make the quorum and the caller asks for it ([Candidate.Look]), no more of them than
// are missing, and are then proven one by one.
//
// Certificates replace votes: [Lane.Certify] closes the slot at once.
//
// # Bounds
//
// The caller admits votes only for a bounded range of heights and epochs. On top of that the slabs of all slots
// stay below Options.MaxBytes, and what is kept to be used again below a quarter of that; slots that are not needed now (heights or
// epochs ahead) may use half of it, and of that half each validator can open an equal share, so that no validator can crowd
// out the others.
package aggregate
