package core

import "slices"

// diskRecord is a record of the journal model.
type diskRecord struct {
	position uint64
	bytes    []byte
	released bool
	barrier  uint64 // takes its release into effect once durable up to here
}

// disk models package journal: group commit under the test's control.
type disk struct {
	records       []diskRecord
	next, durable uint64
	log           *loggedDisk // what the model is of, if it is there
}

func newDisk() *disk { return &disk{next: 1} }

func (d *disk) append(b []byte) uint64 {
	d.records = append(d.records, diskRecord{position: d.next, bytes: slices.Clone(b)})
	d.next++
	if d.log != nil {
		d.log.append(b, d.next-1)
	}
	return d.next - 1
}

// sync makes all up to position durable; false if the crash came first.
func (d *disk) sync(position uint64) bool {
	if d.log != nil && !d.log.wait(position) {
		return false
	}
	d.durable = position
	return true
}

func (d *disk) release(p uint64) bool {
	for i := range d.records {
		if r := &d.records[i]; r.position == p && !r.released {
			r.released, r.barrier = true, d.next-1
			if d.log != nil {
				d.log.release(p)
			}
			return true
		}
	}
	return false
}

// crash cuts off what came after position cut. With compacted, released records are gone as far as they may be.
func (d *disk) crash(cut uint64, compacted bool) {
	if d.log != nil {
		d.log.crash(d)
		return
	}
	kept := d.records[:0]
	for _, r := range d.records {
		if r.position > cut || compacted && r.released && r.barrier <= cut {
			continue
		}
		r.released = false // by the run to come
		kept = append(kept, r)
	}
	d.records, d.durable, d.next = kept, cut, cut+1
}
