package journalbench

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// records returns records that do not compress, a few for each lane.
func records() [][]byte {
	rng := rand.NewChaCha8([32]byte{1})
	all := make([][]byte, 8*Lanes)
	for i := range all {
		all[i] = make([]byte, RecordSize)
		_, _ = rng.Read(all[i]) // cannot fail
	}
	return all
}

// Load is the number of records that may be under way: appended and not yet durable.
type Load struct {
	Name  string
	Limit int64
}

// Loads are the loads of the package comment.
func Loads() []Load { return []Load{{"saturated", 1 << 20 / RecordSize}, {"closed", Lanes}} }

// Result is the result of one way.
type Result struct {
	Way            string
	Best, Median   float64 // ns for each record, over all slices
	RecordsPerSync float64 // over all slices; 0 if not known
}

// warmUp is the number of records that all ways except the first append before they are measured.
// It is large enough that pebble and ours, which reuse files, have files to reuse.
const warmUp = 700_000

// Compare runs all ways alternately under a load, in slices of the given length.
func Compare(dir string, load Load, turns int, turn time.Duration) (_ []Result, err error) {
	type run struct {
		name         string
		log          Log
		n, confirmed int64
		took         []float64
	}
	var all []*run
	defer func() {
		for _, c := range all {
			if cerr := c.log.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("%s: closing: %w", c.name, cerr)
			}
		}
	}()
	for _, w := range Ways() {
		log, err := w.Open(filepath.Join(dir, w.Name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		all = append(all, &run{name: w.Name, log: log})
	}
	payload := records()
	// wait returns once at most limit records are under way.
	wait := func(c *run, limit int64) (err error) {
		for c.n-c.confirmed > limit {
			if c.confirmed, err = c.log.Durable(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if c.n-c.confirmed > limit {
				<-c.log.Moved()
			}
		}
		return nil
	}
	for _, c := range all[1:] {
		for ; c.n < warmUp; c.n++ {
			if err := c.log.Append(int(c.n%Lanes), payload[c.n%int64(len(payload))]); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if err := wait(c, 1<<20/RecordSize); err != nil {
				return nil, err
			}
		}
	}
	for shift := range turns {
		for i := range all {
			c := all[(shift+i)%len(all)]
			began, first := time.Now(), c.n
			for time.Since(began) < turn {
				if err := c.log.Append(int(c.n%Lanes), payload[c.n%int64(len(payload))]); err != nil {
					return nil, fmt.Errorf("%s: %w", c.name, err)
				}
				c.n++
				if err := wait(c, load.Limit-1); err != nil {
					return nil, err
				}
			}
			if err := wait(c, 0); err != nil {
				return nil, err
			}
			c.took = append(c.took, float64(time.Since(began))/float64(c.n-first))
		}
	}
	var results []Result
	for _, c := range all {
		slices.Sort(c.took)
		r := Result{Way: c.name, Best: c.took[0], Median: c.took[len(c.took)/2]}
		if syncs := c.log.Syncs(); syncs > 0 {
			r.RecordsPerSync = float64(c.n) / float64(syncs)
		}
		results = append(results, r)
	}
	return results, nil
}

// Latency is the distribution of the time between the moment at which a record was due and that at
// which it was durable.
type Latency struct {
	P50, P99, Max  time.Duration
	Reached        float64 // records/s; less than the given rate if the way is too slow
	RecordsPerSync float64
}

// OpenLoop appends at a fixed rate for a time, each record when it is due or as soon afterwards as
// timers allow, and then waits for the last.
func OpenLoop(w Way, dir string, rate int, d time.Duration) (l Latency, err error) {
	log, err := w.Open(filepath.Join(dir, w.Name))
	if err != nil {
		return l, err
	}
	defer func() {
		if cerr := log.Close(); err == nil {
			err = cerr
		}
	}()
	payload := records()
	latencies := hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)
	total := int64(d.Seconds() * float64(rate))
	due := func(i int64) time.Duration { return time.Duration(float64(i) / float64(rate) * 1e9) }
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	began := time.Now()
	for n, confirmed := int64(0), int64(0); confirmed < total; {
		now := time.Since(began)
		for ; n < total && due(n) <= now; n++ {
			if err := log.Append(int(n%Lanes), payload[n%int64(len(payload))]); err != nil {
				return l, err
			}
		}
		durable, err := log.Durable()
		if err != nil {
			return l, err
		}
		now = time.Since(began)
		for ; confirmed < durable; confirmed++ {
			_ = latencies.RecordValue(int64((now - due(confirmed)) / time.Microsecond)) // < 1 h
		}
		if confirmed < total {
			if n < total {
				alarm.Reset(max(0, due(n)-now))
			}
			select {
			case <-alarm.C:
			case <-log.Moved():
			}
		}
	}
	at := func(p float64) time.Duration { return time.Duration(latencies.ValueAtPercentile(p)) * time.Microsecond }
	l = Latency{P50: at(50), P99: at(99), Max: at(100), Reached: float64(total) / time.Since(began).Seconds()}
	if syncs := log.Syncs(); syncs > 0 {
		l.RecordsPerSync = float64(total) / float64(syncs)
	}
	return l, nil
}
