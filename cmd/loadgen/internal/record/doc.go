// Package record has the file in which a member notes its sent messages and the certified chunks:
// the record, which survives the kill of its process, and which an audit reads.
//
// Each entry is written in one call before the message that it describes is sent. So a process that
// is killed with SIGKILL leaves a record of everything that others may have received from it. The
// file is not synced: its state after a power failure proves nothing. Its format, integers
// little-endian:
//
//	entry   length uint32 ‖ CRC-32C of what follows uint32 ‖ kind byte ‖ time int64 ‖ body
//
// The time is in nanoseconds since 1970 by the member's clock. A process that was killed while it
// wrote leaves an incomplete entry, which the next process cuts off.
package record
