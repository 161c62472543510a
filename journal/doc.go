// Package journal is a write-ahead log: segmented, checksummed, synced in groups. It stores records
// of bytes and does not interpret them.
//
// One goroutine, the owner, appends. [Journal.Append] copies the record into a buffer and returns
// its [Position] at once. The journal's own goroutine takes all queued records, writes them with
// one write, syncs them with one fdatasync, advances [Journal.Durable] and calls Config.Notify;
// meanwhile the owner fills the other buffer. So groups form by themselves: the slower the disk,
// the larger the group. The owner shows effects of a record to others only once Durable has reached
// its position, and accepts no more work while [Journal.Pending] is too large, because the journal
// never makes it wait and has no limit of its own.
//
// A record lives until [Journal.Release], which takes effect once all records appended before the
// call are durable: the owner first appends a record that supersedes another, then releases the
// other, and no crash can lose both. Releases are not written to disk. After a restart all records
// that are still in the files are replayed and live; the owner again releases those that it does
// not need.
//
// The journal never waits in Append or Release, never holds a lock during I/O, never tries again
// after a failed sync, leaves no goroutine after Close, and does not log.
//
// # Guarantees
//
//   - A record at or below Durable is replayed by every later Open, byte for byte, once, at its
//     position, until it was released and the release took effect. It may be replayed after that,
//     too.
//   - A record above Durable at the time of a crash may be replayed or not. If it is, all live
//     records before it are replayed, too.
//   - Only appended records are replayed.
//   - Positions ascend by one with each Append. A position that was durable is never assigned
//     again, whatever was released or pruned. The position of a record that a crash lost is
//     assigned again: no other process can have seen that record.
//   - After the first failed write or sync nothing becomes durable any more. [Journal.Err], Append
//     and Close return the error. The owner can only close the journal and open it again.
//   - Only an Open with Config.Create begins a log, and never without its first record: a crash
//     meanwhile leaves a folder that has no log, or a log that holds that record.
//   - Open changes nothing of the log before it has read and checked all of it. It returns a
//     [*CorruptError] if the log or the watermark shows that records are missing.
//
// # Failures
//
//   - After a clean Close, Open detects every truncation of the log, every lost file and every
//     flipped bit.
//   - While the journal runs, and after a crash, bytes missing behind the watermark cannot be
//     distinguished from writes that the crash interrupted, unless a whole frame of a later group
//     remains: the log is cut off there. The watermark is written at most 100 ms after the first
//     durable byte that it does not cover, or as soon as it does not cover 1 MiB, and is durable
//     one sync later.
//   - An emptied folder has no log, which is an error unless Create is set. An old copy of the
//     whole folder cannot be distinguished from the present one. An older copy of WATERMARK alone
//     protects less, which is not detected.
//   - If the disk damages one slot of WATERMARK, the watermark in the other slot counts. Close and
//     Open write both.
//   - A log without its WATERMARK is refused as a whole, although nothing else may be missing:
//     restore the file, or treat the log as lost.
//   - A failed sync leaves pages in the system's cache that are not on disk, and the next process
//     would see them. The journal cuts them off the file at once. If that fails as well and the
//     machine keeps running, the next Open takes them for durable; if the power fails then, Open
//     detects the hole as corruption.
//   - CRC32C detects every burst of up to 32 bits and misses one in four billion other damages. It
//     does not protect against attackers: the folder is trusted.
//   - Open refuses a file system that cannot sync folders or cannot lock files, before it begins a
//     log: after a power failure the names of durable files could be lost. A file system that
//     falsely reports syncs cannot be detected.
//   - The folder's path is made absolute by Open. If it later leads to another folder, because the
//     journal's was moved or replaced, or a volume was mounted over it, the journal fails when it
//     next uses a name: before it begins a segment, or reads one to compact it. It writes nothing
//     there. Restore the folder, and open the journal again.
//   - A damaged live record that compaction reads is a failure like that of a write.
//   - Files are reused in place: a copy of the folder made with hard links changes with it. A copy
//     made while the journal is open may be refused, or hold files of different moments.
//
// # Files
//
// The folder holds LOCK, which is locked with flock while the journal is open and then contains the
// process's number for operators; WATERMARK; segments named by their number in 16 hexadecimal
// digits and ".seg"; and sometimes next.tmp, a file being made or a dead segment kept for reuse.
// The watermark is not in LOCK, because LOCK must never be replaced (the lock is on the file and
// not on its name) while WATERMARK is replaced as a whole, and because operators remove lock files.
// Integers are little-endian, offsets count from the beginning of the file, and everything is
// aligned to 8 bytes.
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
// earlier one; that of a moved record is lower. Bytes after the last frame have no meaning: they
// may be zero or, in a reused file, anything, since no frame of another segment, or of another
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
// Version 1 had no WATERMARK, and allowed logs without any record. Open refuses its folders with
// ErrVersion.
//
// # The order of writes
//
// Recovery depends on these rules of the writer:
//
//  1. A group is written only after everything before it in the segment was synced.
//  2. A new segment gets its head, is synced and renamed from next.tmp, and the folder is synced.
//     All groups of the previous segment were synced earlier.
//  3. Then the previous segment gets its seal, and is synced. Only then are frames written to the
//     new one.
//  4. Only then are segments below the new head's floor removed, or one of them renamed to
//     next.tmp. All records in them were released, which has taken effect as described above, or
//     moved and synced.
//  5. A file is reused only after it has the name next.tmp and the folder was synced. So no name
//     that recovery uses ever leads to a segment that is being overwritten.
//  6. A log is created in this order. WATERMARK is made as next.tmp, with the watermark that the
//     log will have: segment 1, the end of its first record, and the flag. It is synced and
//     renamed, and the folder synced. Segment 1 is made as in rule 2, with its first record after
//     the head before it is synced. Then watermarks without the flag are written, and only then
//     does Open return.
//  7. A watermark covers only synced bytes and names. While one slot is written, and until it is
//     synced, the other slot holds a durable watermark. So there is always a readable one, and the
//     log never ends before it.
//
// A separate goroutine writes watermarks for the bytes that the journal's goroutine has synced, so
// no group waits for them. A failed write or sync of a watermark is a failure of the journal like
// any other, and no later watermark is written. Open and Close write one into each slot themselves,
// unless both slots have it already; that of Close includes the mark of Close.
//
// # Recovery
//
// Open reads the watermark and the heads first. If there is no segment, there is no log, provided
// that WATERMARK is missing too or has the flag (rule 6: the creation was interrupted, and may
// begin again). A segment without WATERMARK, or with an unreadable one or one of another journal,
// is corruption (rules 6 and 7).
//
// The newest head's floor determines the segments that must be present: all from the floor to the
// newest. It is corruption if one of them is missing, has no good head (rule 2), has another's
// number, or belongs to another journal. Files below the floor remain from an interrupted removal.
// If one is missing and the newest ends in a seal, the successor of the newest was removed: the
// error names that one, since the floor in its head may be the reason for the removal of the other.
//
// Then the frames are replayed in order, with a buffer of Config.ReplayBuffer. In all segments
// except the newest, every frame up to the end that the next head names must be whole, and the seal
// must follow. The seal may be missing only if the newest segment has no frame after its head: only
// zeros or, in a reused file, no whole frame. If the newest segment ends in a seal, its successor
// is missing, which is corruption.
//
// In the newest segment the log ends at the first bytes that are no whole frame. The end is normal
// if only zeros follow (in a reused file: nothing that looks like a frame of this segment), a torn
// tail if a crash explains the rest, and corruption otherwise. A crash may have kept any pages of
// the group being written and lost others, so a later whole frame proves nothing by itself. But by
// rule 1 a frame of a group that begins after the damage proves that the damaged bytes had been
// synced. Hence:
//
//	Bytes at x that are no frame are corruption if any whole frame behind x belongs to a group
//	that begins behind x, and a torn tail if there is none.
//
// A whole frame in the wrong order is always corruption. A torn tail is cut off, and the cut is
// synced before anything new is written, so that frames of the torn group cannot appear after the
// next one. [Journal.Recovery] returns the cut. Whole frames of a torn group before the damage are
// kept.
//
// Last, the end of the log is compared with the watermark. A log that ends before the watermark is
// truncated, which no crash explains (rule 7): Open returns a *CorruptError that matches
// ErrTruncated. Normally the log ends after the watermark. A watermark with the flag is good only
// for a log that holds no more than its first record (rule 6).
//
// If the last process was killed, a slot of WATERMARK that Open reads may be only in the system's
// cache. So Open writes its first watermark into the newer slot, and does not change the older one
// until that is synced. If one slot holds no watermark, Open writes to that slot.
//
// The identity is random and part of every checksum, so an attacker who only supplies records
// cannot make one whose content looks like a frame and turns a torn tail into corruption.
//
// # Pruning and compaction
//
// The first record is released like any other. If it must be kept for good, compaction moves it.
//
// A segment at the front without live records is removed when the next segment begins; if there are
// two, the next one begins early. If more than Config.MaxSegments remain, and at most half of their
// bytes live, the journal's goroutine moves the live records of the oldest to the tail, a bounded
// number of bytes in a group, between the owner's groups. Records keep their positions, so replay
// is not always in ascending order. A crash may leave both original and copy: replay delivers the
// first one, and the second one too if Config.Dead has released the first. Over time compaction
// writes no more bytes than it frees.
//
// One dead segment is not removed but becomes the next new one. Its blocks are allocated already,
// so a sync writes only the content: on ext4 that makes groups two to three times as fast
// (BenchmarkJournalReuse). Reserving room in new files (fallocate) was measured too and gained
// nothing: a first write to reserved blocks costs as much as one to new blocks. In a reused file
// each write fills its last page with zeros, so that the next write need not read it.
//
// # Memory
//
// The journal uses twice the pending bytes (one buffer fills while the other is written; buffers
// above twice Config.WriteBuffer are not kept); one bit for each record in the files; about 60
// bytes for each live record that compaction has moved; the replay buffer, and a record that
// exceeds it; the compressor's memory, see Config.CompressLevel. Nothing is allocated for a length
// that the files only claim.
package journal
