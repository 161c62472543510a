// Package record has the file in which a member notes what it sent and what was certified: the
// record, which outlives the kill of its process, and which an audit reads.
//
// Each entry is written by one call before what it tells of is sent, so that a process that is killed
// with SIGKILL leaves a record of everything that others may have got from it. The file is not synced:
// what a power failure leaves of it proves nothing. Its format, integers little-endian:
//
//	entry   length uint32 ‖ CRC-32C of what follows uint32 ‖ kind byte ‖ time int64 ‖ body
//
// The time is in nanoseconds since 1970 by the member's clock. A process that was killed while it
// wrote leaves an incomplete entry, which the next one cuts off.
package record
