package merge

import "github.com/lanecast/lanecast/cmd/loadgen/internal/proc"

// offsets holds the measurements of clocks that each member made, by its index.
type offsets map[int][]proc.Clock

// between returns the offset in ms by which the clock of one member was ahead of that of another,
// at a time of the latter's clock, and the error of the offset; false if it is not known. Between
// two measurements the offset is interpolated linearly.
func (o offsets) between(of, at *source, when int64) (offset, within float64, known bool) {
	if of.clock != "" && of.clock == at.clock {
		return 0, 0, true
	}
	var found []proc.Clock
	for _, c := range o[at.index] {
		if c.Member == of.index+1 {
			found = append(found, c)
		}
	}
	sign := 1.0
	if len(found) == 0 { // the other member's measurement is as good
		for _, c := range o[of.index] {
			if c.Member == at.index+1 {
				c.At -= of.ahead - at.ahead
				found = append(found, c)
			}
		}
		sign = -1
	}
	switch {
	case len(found) == 0:
		return 0, 0, false
	case len(found) == 1 || found[1].At <= found[0].At:
		return sign * found[0].Offset, found[0].Error, true
	}
	a, b := found[0], found[1]
	part := min(max(float64(when-a.At)/float64(b.At-a.At), 0), 1)
	return sign * (a.Offset + part*(b.Offset-a.Offset)), max(a.Error, b.Error), true
}
