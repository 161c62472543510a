package model

import (
	"cmp"
	"slices"
)

// Record is a record of a Disk.
type Record struct {
	Position uint64
	Bytes    []byte

	released bool
	barrier  uint64 // takes its release into effect once durable up to here
}

// Disk models package journal: records in order of append, of which a prefix is durable, and releases that take effect
// once all that was appended before them is.
type Disk struct {
	Records       []Record // ascending by position
	Next, Durable uint64
	released      int
}

// NewDisk returns an empty one.
func NewDisk() *Disk { return &Disk{Next: 1} }

// Append appends a copy of b and returns its position.
func (d *Disk) Append(b []byte) uint64 {
	d.Records = append(d.Records, Record{Position: d.Next, Bytes: slices.Clone(b)})
	d.Next++
	if d.released > 1024 && d.released > len(d.Records)/2 {
		d.compact(d.Durable)
	}
	return d.Next - 1
}

// Release lets go of a record; false if it is no live one.
func (d *Disk) Release(p uint64) bool {
	i, ok := slices.BinarySearchFunc(d.Records, p, func(r Record, p uint64) int { return cmp.Compare(r.Position, p) })
	if !ok || d.Records[i].released {
		return false
	}
	d.Records[i].released, d.Records[i].barrier = true, d.Next-1
	d.released++
	return true
}

// compact drops records whose release is in effect.
func (d *Disk) compact(durable uint64) {
	d.Records = slices.DeleteFunc(d.Records, func(r Record) bool { return r.released && r.barrier <= durable })
	d.released = 0
	for _, r := range d.Records {
		if r.released {
			d.released++
		}
	}
}

// Crash cuts off what came after position cut. With compacted, released records are gone as far as they may be; without, they
// are back.
func (d *Disk) Crash(cut uint64, compacted bool) {
	if compacted {
		d.compact(cut)
	}
	d.Records = slices.DeleteFunc(d.Records, func(r Record) bool { return r.Position > cut })
	for i := range d.Records {
		d.Records[i].released = false // by the run to come
	}
	d.released, d.Durable, d.Next = 0, cut, cut+1
}
