// Package journalbench compares package journal with other ways of making small records durable,
// and package archive with other ways of making bodies durable. It is a separate module, so that
// embedders of Lanecast never download the compared modules.
//
//	go test -bench DurableRecords -benchtime 1x -timeout 20m
//	go test -bench AppendToDurable -benchtime 1x
//	go test -bench DurableBodies -benchtime 1x
//
// # Ways
//
//	one-fsync-per-record   a file, one write and one fdatasync for each record: upstream's way, without its framing
//	journal                package journal with its default options; every lane releases its last record
//	etcd                   go.etcd.io/etcd/server/v3/storage/wal, one Save for each group
//	raft-wal               github.com/hashicorp/raft-wal, one StoreLogs for each group
//	tidwall                github.com/tidwall/wal, one WriteBatch for each group
//	pebble-batches         github.com/cockroachdb/pebble, one synced batch for each group; a lane overwrites its key
//	pebble-pipeline        the same, one batch for each record, in pebble's own commit pipeline (ApplyNoSyncWait, SyncWait)
//
// All keep their default sizes. Of the others only pebble's pipeline groups the records that a
// single owner appends, so the rest get the groups that package journal would make: while one is
// being synced the next one forms. etcd, raft-wal and tidwall never remove records here, which is
// to their advantage; journal and pebble do.
//
// # Loads
//
// 64 lanes append records of 300 bytes that do not compress. With "saturated" a MiB may be pending,
// as in an engine at its limit. With "closed" each lane appends its next record when its last one
// is durable, so at most 64 are under way. All ways alternate in slices; the best and the median
// slice are reported, since the speed of machines drifts. In the open loop of
// BenchmarkAppendToDurable records arrive at a fixed rate regardless of the log, and a record's
// latency counts from the time at which it was due.
//
// # Bodies
//
// BenchmarkDurableBodies writes bodies of 256 KiB that do not compress to 16 lanes. All ways make
// the groups that package archive makes: the bodies that came while the last group was being
// synced. Two groups are under way, so that groups have equal size. Each way except the first is
// compared with a plain file.
//
//	file                   files of 128 MiB, of which two are kept; one write for each body, one fdatasync
//	                       for each group
//	archive                package archive, every lane of which prunes all but its last 8 bodies
//	file-kept              file, of which 16 files are kept
//	archive-rarely-pruned  archive, with the last 256 bodies of each lane, compared with file-kept
//	pebble-separated       github.com/cockroachdb/pebble with value separation, one synced batch for each group;
//	                       a lane overwrites its oldest body
package journalbench
