// Package journal is a write-ahead log: segmented, checksummed, synced in groups. It stores records
// of bytes and knows nothing of what is in them.
//
// One goroutine, the owner, appends. [Journal.Append] copies the record into a buffer and returns
// its [Position] at once. The journal's own goroutine takes all that has gathered, writes it with
// one write, syncs it with one fdatasync, moves [Journal.Durable] and calls Config.Notify;
// meanwhile the owner fills the other buffer. So groups form by themselves: the slower the disk,
// the larger the group. The owner shows to others what depends on a record only once Durable has
// reached it, and stops taking work in while [Journal.Pending] is too large, for the journal never
// makes it wait and never refuses for want of room.
//
// A record lives until [Journal.Release], which takes effect once all that was appended before the
// call is durable: a record that supersedes another is appended first, then the other is released,
// and no crash can lose both. Releases are not written down. After a restart all that is still in
// the files is replayed and alive; the owner releases again what it does not need.
//
// What never happens here: waiting in Append or Release, a lock held across I/O, a second try after
// a failed sync, a goroutine left after Close, logging.
//
// # What is promised
//
//   - A record at or below Durable is replayed by every later Open, byte for byte, once, at its
//     position, until it was released and the release took effect. It may be replayed after that
//     too.
//   - A record above Durable at the time of a crash may be replayed or not. If it is, so are all
//     before it that live.
//   - Nothing is replayed that was not appended.
//   - Positions ascend by one with each Append. One that was durable is never given again, whatever
//     was released or pruned. One that a crash lost is: nobody can have seen it.
//   - After the first failed write or sync nothing becomes durable any more. [Journal.Err] says
//     what failed, Append returns it, Close returns it. The only way on is to close and open again.
//   - A log is begun only by an Open with Config.Create, and never without its first record: a
//     crash on the way leaves a folder that has no log, or a log that holds that record.
//   - Open changes nothing of the log before it has read and checked all of it. It returns a
//     [*CorruptError] rather than go on with less than the log, or the watermark beside it, can
//     tell that there was.
//
// # How it fails
//
//   - After a clean Close every cut of the log, every lost file and every flipped bit in it is
//     found.
//   - While the journal runs, and after a crash, what is missing behind the watermark cannot be
//     told from writes that the crash interrupted, unless a whole frame is left of a group behind
//     it: it is cut off. The watermark is written at most 100 ms after the first durable byte that
//     it does not cover, or as soon as it does not cover 1 MiB, and is durable one sync later.
//   - A folder that is emptied altogether has no log, which is an error unless Create is set. A
//     copy of the whole folder from the past cannot be told from the present. An older copy of
//     WATERMARK alone protects less, and nothing tells.
//   - A disk that damages one slot of WATERMARK takes the watermark back to the other slot. Close
//     and Open write both.
//   - A log whose WATERMARK is lost is refused as a whole, though nothing else may be missing: put
//     the file back, or treat the log as lost.
//   - A failed sync leaves pages in the system's cache that are not on disk, and the next process
//     would see them. They are cut off the file at once. If that fails as well and the machine runs
//     on, the next Open takes them for durable; should the power fail then, the hole is found, as
//     corruption.
//   - CRC32C finds every burst of up to 32 bits and misses one in four billion of other damages. It
//     does not protect against people: the folder is trusted.
//   - A file system that cannot sync folders is refused by Open, before a log is begun, as is one
//     that cannot lock files: after a power failure the names of files that were durable could be
//     gone. A file system that claims to sync and does not cannot be told from one that does.
//   - The folder's path is made absolute by Open. If it leads to another folder later on, because
//     the journal's was moved or replaced, or a volume was mounted over it, the journal fails when
//     it next needs a name: before it begins a segment, or reads one to compact it. It writes
//     nothing there. Put the folder back, and open again.
//   - Reading a live record in compaction and finding it damaged is a failure like that of a write.
//   - Files are used again in place: a copy of the folder made of hard links changes with it. A
//     copy made while the journal is open may be refused, or be of different moments.
//
// # Files
//
// The folder holds LOCK, which is locked with flock while the journal is open and names the process
// that locked it last; WATERMARK; segments
// named by their number in 16 hexadecimal digits and ".seg"; and sometimes next.tmp, a file being
// made or a dead segment kept to be used again. The watermark is not kept in LOCK: that file must
// never be replaced, since the lock is on the file and not on its name, while WATERMARK is put in
// place whole; and people remove lock files. Integers are little-endian, offsets count from the
// beginning of the file, and everything is aligned to 8 bytes.
//
// A segment begins with a head of 72 bytes:
//
//	 0  magic "lanejrnl"
//	 8  u32 format version, 2
//	12  u32 1 if the file was a segment before, else 0
//	16  identity of the journal, 16 random bytes, the same in all its segments
//	32  u64 number of the segment: 1, 2, 3, …
//	40  u64 position that the next appended record gets
//	48  u64 offset at which the segment before ends in its seal; 0 in segment 1
//	56  u64 floor: segments of lower numbers hold nothing that is needed
//	64  u32 zero
//	68  u32 CRC32C of the 68 bytes before
//
// Frames follow, each a head of 32 bytes, a payload, and zeros up to the next multiple of 8:
//
//	 0  u32 checksum: CRC32C of the rest, padding included, started from that of identity and number
//	 4  u8 kind: 1 record, 2 record moved by compaction, 3 seal, 4 mark of Close
//	 5  u8 flags: 1 zstd
//	 6  u16 zero
//	 8  u32 length of the payload as stored
//	12  u32 length of the record
//	16  u64 position of the record; of the next one, in kinds 3 and 4
//	24  u32 offset of this frame, divided by 8
//	28  u32 offset of the first frame of its group, divided by 8
//
// A group is a run of frames written and synced together. It lies in one segment. The position of a
// record of kind 1 is one more than that of the kind-1 record before it, in this segment or an
// earlier one; that of a moved record is lower. Bytes behind the last frame are of no meaning: they
// may be zero or, in a file used again, anything, since no frame of another segment, or of another
// offset, has a good checksum here.
//
// WATERMARK has two slots, at offsets 0 and 4096, of 72 bytes each:
//
//	 0  magic "lanemark"
//	 8  u32 format version, 2
//	12  u32 1 if the log was being created, else 0
//	16  identity of the journal
//	32  u64 generation: of two slots the one with the higher counts
//	40  u64 number of the segment that was the newest
//	48  u64 offset in it up to which everything was durable: the end of a group
//	56  u64 position that the next record gets, as of there
//	64  u32 zero
//	68  u32 CRC32C of the 68 bytes before
//
// Version 1 had no WATERMARK, and logs without any record. Its folders are refused: ErrVersion.
//
// # The order of writes
//
// Recovery rests on these rules, which the writer keeps:
//
//  1. A group is written only after everything before it in the segment was synced.
//  2. A new segment gets its head, is synced, is renamed from next.tmp, the folder is synced. All
//     groups of the segment before were synced earlier.
//  3. Then the segment before gets its seal, and is synced. Only then do frames go into the new
//     one.
//  4. Only then are segments below the new head's floor removed, or one of them renamed to
//     next.tmp. All that lived in them was released, by the durable rule above, or moved and
//     synced.
//  5. A file is used again only after the folder was synced with it under the name next.tmp. So no
//     name that recovery looks for ever leads to a segment that is being overwritten.
//  6. A log is created in this order. WATERMARK is made as next.tmp, with a watermark of the log to
//     be: segment 1, the end of its first record, and the flag. It is synced and renamed, and the
//     folder synced. Segment 1 is made as in rule 2, with its first record behind the head before
//     it is synced. Then watermarks without the flag are written, and only then does Open return.
//  7. A watermark says only what was synced, names included. While one slot is written, and until
//     it is synced, the other holds a watermark that is durable. So there is always one to be read,
//     and the log never ends before it.
//
// Watermarks have a goroutine of their own, which writes what the journal's goroutine has synced:
// no group waits for them. One whose write or sync fails is a failure of the journal like any
// other, and it is the last one. Open and Close write one into each slot themselves, unless both
// say the same already; that of Close includes the mark of Close.
//
// # Recovery
//
// Open reads the watermark and the heads first. If there is no segment, there is no log, provided
// that there is no WATERMARK either, or that it has the flag (rule 6: the creation was interrupted,
// and may begin again). A segment without WATERMARK, or with one that cannot be read or is of
// another journal, is corruption (rules 6 and 7).
//
// The newest head's floor says which segments must be there: all from the floor to the newest. One
// that is missing, has no good head (rule 2), has another's number, or belongs to another journal
// is corruption. Files below the floor are left from an interrupted removal. If one is missing and
// the newest ends in a seal, the one behind the newest was removed: the error names that, since a
// floor in its head may be why the other is gone.
//
// Then the frames are replayed in order, with a buffer of Config.ReplayBuffer. In all segments but
// the newest every frame up to the end that the next head names must be whole, and the seal must
// follow. It may be missing only if nothing is behind the newest head: only zeros or, in a file
// used again, no whole frame. A newest segment that ends in a seal lacks its successor: corruption.
//
// In the newest segment the first thing that is no whole frame is the end. It is an ordinary one if
// only zeros follow (in a file used again: nothing that looks like a frame of this segment), a torn
// tail if a crash explains the rest, and corruption if not. A crash may have kept any pages of the
// group being written and lost others, so a whole frame further on proves nothing by itself. But by
// rule 1 a frame of a group that begins behind the damage proves that the damaged bytes had been
// synced. Hence:
//
//	Bytes at x that are no frame are corruption if any whole frame behind x belongs to a group
//	that begins behind x, and a torn tail if there is none.
//
// A whole frame in the wrong order is always corruption. A torn tail is cut off, and the cut synced
// before anything new is written, lest frames of the torn group appear behind the next one.
// [Journal.Recovery] tells what was cut. Whole frames of a torn group in front of the damage are
// kept.
//
// Last, the end that was found is compared with the watermark. A log that ends before it is
// truncated, which no crash explains (rule 7): a *CorruptError that matches ErrTruncated. One that
// ends behind it is the normal case. A watermark with the flag is good only for a log that holds no
// more than its first record (rule 6).
//
// A slot of WATERMARK that Open reads may be in the system's cache only, if the last process was
// killed. So the first watermark that Open writes goes into the newer slot, and the older is left
// alone until that is synced; or, if one slot holds none, into that one.
//
// The identity is random and part of every checksum, so nobody who merely supplies records can make
// one whose content passes for a frame, and turn a tear into corruption.
//
// # Pruning and compaction
//
// The first record is released like any other. One that is to be kept for good is moved along by
// compaction.
//
// A segment at the front in which nothing lives goes when the next one begins; two of them are
// reason to begin one early. If more than Config.MaxSegments remain, and at most half of their
// bytes live, the journal's goroutine moves what lives in the oldest to the tail, a bounded number
// of bytes in a group, between the owner's groups. Records keep their positions, so replay is not
// always in ascending order; a crash may leave original and copy, of which replay delivers the
// first, and the other one too if Config.Dead has released the first. Over time it writes no more
// than it frees.
//
// One dead segment is not removed but becomes the next new one. Its blocks are there, so that a
// sync has nothing to write but the content: on ext4 that makes groups two to three times as fast
// (BenchmarkJournalReuse). Reserving room in new files (fallocate) was measured too and brought
// nothing: a first write to reserved blocks costs what one to new blocks does. In a file used again
// each write fills its last page up with zeros, lest the next one have to read it.
//
// # Memory
//
// Pending bytes, twice (one buffer fills while the other is written; buffers above twice
// Config.WriteBuffer are not kept); one bit for each record in the files; some 60 bytes for each
// live record that compaction has moved; the replay buffer, and a record that exceeds it; what the
// compressor takes, see Config.CompressLevel. Nothing is allocated for a length that the files
// merely claim.
package journal
