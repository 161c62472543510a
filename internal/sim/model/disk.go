package model

import "slices"

// Record is a record of a Disk.
type Record struct {
	Position uint64
	Bytes    []byte

	released bool
	barrier  uint64 // its release takes effect once all records up to this position are durable
}

// Disk models package journal: records in order of append, of which a prefix is durable. A release
// takes effect once all records appended before it are durable.
type Disk struct {
	Records       []Record // in the order in which they are recovered
	Next, Durable uint64
	// KeepReleased keeps all released records until a crash, however many there are.
	KeepReleased bool

	released int
}

// MayBeGone reports whether the record's release has taken effect when all records up to durable
// are durable.
func (r *Record) MayBeGone(durable uint64) bool { return r.released && r.barrier <= durable }

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{Next: 1} }

// Copy returns a disk that holds a copy of the durable records.
func (d *Disk) Copy() *Disk {
	c := &Disk{Records: slices.Clone(d.Records), Next: d.Next, Durable: d.Durable, KeepReleased: d.KeepReleased, released: d.released}
	c.Crash(d.Durable, false)
	return c
}

// Append appends a copy of b and returns its position.
func (d *Disk) Append(b []byte) uint64 {
	d.Records = append(d.Records, Record{Position: d.Next, Bytes: slices.Clone(b)})
	d.Next++
	if !d.KeepReleased && d.released > 1024 && d.released > len(d.Records)/2 {
		d.compact(d.Durable)
	}
	return d.Next - 1
}

// Release releases a record. It returns false if there is no live record at that position.
func (d *Disk) Release(p uint64) bool {
	for i := range slices.Backward(d.Records) { // released records are rarely old
		if r := &d.Records[i]; r.Position == p && !r.released {
			r.released, r.barrier = true, d.Next-1
			d.released++
			return true
		}
	}
	return false
}

// Live returns the number of records that are not released.
func (d *Disk) Live() int { return len(d.Records) - d.released }

// compact drops records whose release is in effect.
func (d *Disk) compact(durable uint64) {
	d.Records = slices.DeleteFunc(d.Records, func(r Record) bool { return r.MayBeGone(durable) })
	d.released = 0
	for _, r := range d.Records {
		if r.released {
			d.released++
		}
	}
}

// Crash drops the records after position cut. With compacted it also drops the records whose
// release has taken effect; without it, released records come back.
func (d *Disk) Crash(cut uint64, compacted bool) {
	if compacted {
		d.compact(cut)
	}
	d.Records = slices.DeleteFunc(d.Records, func(r Record) bool { return r.Position > cut })
	for i := range d.Records {
		d.Records[i].released = false // the next run has not released it
	}
	d.released, d.Durable, d.Next = 0, cut, cut+1
}

// Restore replaces the disk's records by recovered ones.
func (d *Disk) Restore(records []Record, next, durable uint64) {
	d.Records, d.Next, d.Durable, d.released = records, next, durable, 0
}
