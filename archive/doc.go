// Package archive keeps on disk the part of each lane that a process keeps by docs/protocol.md 7.4:
// headers and bodies from the host's watermark up, the last lock of each epoch, the watermark
// itself, and pushed bodies that nobody has requested yet. It verifies no certificate and sends
// nothing; the caller has checked everything that it puts.
//
// # The contract
//
//   - An entry is durable once its done function was called without error: every later Open finds
//     it until it is pruned or replaced. [Archive.Flush] waits for everything put before. An entry
//     that is written but not durable yet may be read already; a caller that shows it to others as
//     its own must wait for done.
//   - There is no gap after a crash. Bodies become durable in the order in which they were put: if
//     one is found, so are all bodies and headers put before it, except those whose done function
//     got an error. Headers, locks and watermarks do not wait for earlier bodies that are not
//     written yet. The record of a watermark, and a record for which no done function waits, waits
//     up to 2 ms for others, to be synced with them.
//   - Pruning is lazy. Entries below the host's watermark stay for Config.Retain, but take at most
//     a quarter of Config.Quota and make room for new ones. No crash brings back a dropped entry,
//     and its room on disk is free once the drop is durable.
//   - The top of a lane always stays, whatever the watermark: the highest header, the header at the
//     highest lock, their bodies, and the highest lock.
//   - A place of a lane, a height, has one header: the last one put. A header with another digest
//     replaces the one at its place, with its body.
//   - A full disk counts as the quota reached, not as a failure: Put refuses or done gets ErrQuota,
//     and the archive continues. Config.MinFree keeps room for other files on the disk. Every other
//     write or sync that fails is a failure, and so is any that fails in the index. After a failure
//     nothing becomes durable any more, and [Archive.Err] returns it. Close the archive, and open
//     it again.
//   - Damage is found when the body is read, at the latest when it is sent or moved: a
//     [*DamageError] names segment, offset and place. The header stays; the body counts as missing
//     and can be put again. No other body is affected. If a segment is missing at Open, every body
//     in it is damaged: [Recovery].Lost counts them.
//   - An index that is damaged or lost, or another archive's, is an error of Open, and the data
//     stays as it is. The archive can be made again from other processes: remove the folder, and
//     open with Create.
//
// # Quotas
//
// Quota bounds the bodies that are kept. It stops ForVote (bodies to be acked or proposed) and
// Pushed. A body put ForDelivery, which is certified and next to be handed over, has room beyond
// it: each lane as much as its share of the greater of 64 MiB and one body of MaxPayload per lane,
// for bodies from the watermark up. So a host that moves its watermark past the chunks that it was
// handed can be handed the next, however full the archive is. Pushed bodies are bounded by
// MaxPushed too, and within a lane by their window: the two heights above the higher of its top and
// its highest lock, one body each, of which a later one replaces an earlier. They never take room
// from bodies that are wanted.
//
// MaxHeaders bounds the headers, save for bodies put ForDelivery: beyond it these have their lane's
// own room only, which bounds them too. Entries that are only retained make room for new headers,
// as for bodies.
//
// On disk the bodies take at most twice their length, plus four segments, spare files included,
// once compaction has caught up; it moves at least as many bytes as are written meanwhile, and
// CompactRate if idle. There are at most eight spare files, and they go when MinFree is reached.
//
// # Who owns what
//
// Any goroutine may call any method. A body that is put belongs to the archive until done was
// called: it is written from where it is, and not copied. done functions are called one at a time,
// by one goroutine, in the order in which things became durable; they must not block. Two
// goroutines write, the archive's for bodies and the index journal's, and one removes files. No
// method waits for any of them, but for Flush and Close.
//
// # Files
//
// The folder holds two: index, which is a journal of package journal, and data, with segments named
// by their number in 16 hexadecimal digits and ".data". The journal's LOCK guards both. Integers
// are little-endian.
//
// A data segment begins with a head of 72 bytes, written by the archive's goroutine when it begins
// the segment:
//
//	 0  magic "lanearch"
//	 8  u32 format version, 1
//	12  u32 zero
//	16  identity of the archive, 16 random bytes, from the index's first record
//	32  u64 number of the segment
//	40  28 bytes zero
//	68  u32 CRC32C of the 68 bytes before
//
// Frames of kind 1 follow, in the framing of internal/segment; their position is the segment's
// number. The payload of one is
//
//	u8 length of the header ‖ header ‖ 32 bytes for each piece: its hash ‖ body
//
// The hashes, of 0.05 % of the body, prove a piece without reading the others, and find damage in
// it. The header makes a segment readable without the index.
//
// Records of the index begin with a byte of kind:
//
//	1  format: u32 version, identity [16], namespace. The first record, and no other
//	2  wanted: flags ‖ varint segment ‖ varint offset/8 ‖ header. Segment 0 is none: no body
//	3  pushed: the same
//	4  lock: the bytes of a wire.Lock
//	5  lane: sequencer [32] ‖ varint watermark ‖ varint floor
//
// Flag 1 of kind 2 says that the body lies in its lane's own room beyond the quota. A lane's floor
// is the height below which everything but its top is dropped; it follows the watermark after
// Retain.
//
// # The order of writes
//
//  1. A body is written behind the last one in the newest segment, and synced, with the others of
//     its group. The name of a new segment is synced before that.
//  2. Only then is its record appended to the index. So the index names only bodies that are there.
//  3. A record that takes another's place is appended first; then the other is released.
//  4. A segment is removed once no live record names it, and the records that made it so are
//     durable. Instead some such files are kept, the spares: the next segment gets one under its
//     own name, and writes over it once that name is synced. The rest of the dead segment stands
//     behind the new one's frames until it is full; the checksums of frames tell whose they are.
//  5. Segments are written by one process: Open begins a new one, and cuts the others at the end of
//     the last body that the index names.
//
// # Recovery
//
// Open reads the index only. The journal may replay records that were released before; so what
// lives must follow from any set of records that includes all live ones. That holds because every
// decision depends on values that never go back:
//
//   - of two wanted records, or two pushed ones, for one place the later position counts; of two
//     locks of a lane and epoch the higher;
//   - of a lane's records the latest counts, and its floor and watermark only rise;
//   - a wanted record below the floor is dead, unless its height is the lane's highest or that of
//     its highest lock, which only rise, the latter never to a height below the watermark;
//   - a lock below the watermark is dead unless it is at the height of the highest;
//   - a pushed record is dead unless it is above the lane's top and its highest lock, and not below
//     its watermark.
//
// # Metrics
//
// With Config.Metrics set, under the prefix lanecast_archive_, the values of [Archive.Usage]:
//
//	body_bytes{use}, retained_bytes, quota_bytes, pending_bytes, headers
//	disk_bytes{part}, segments, damaged_bodies_total, failed
//
// # Memory
//
// At most 200 bytes for each header held, with or without body, and 1 KiB for a lane; locks, with
// their certificates; 4 MiB for compaction, and a body; 4 MiB for the group to be written; and the
// items put and not durable, whose bodies are the callers' (at most MaxPending). 10 GiB of bodies
// of 256 KiB are 41,000 headers, or 8 MB.
package archive
