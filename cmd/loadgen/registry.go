package main

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// registry holds the engines' metrics, for the result and for --metrics.
type registry struct{ *prometheus.Registry }

func newRegistry() *registry { return &registry{prometheus.NewRegistry()} }

// engineMetrics holds the metrics that a Status lacks, summed over all engines.
type engineMetrics struct {
	bounds     []float64
	cumulative []uint64 // batches of at most bounds[i] statements
	batchCount uint64
	statements float64
}

func (g *registry) read() (*engineMetrics, error) {
	families, err := g.Gather()
	if err != nil {
		return nil, err
	}
	m := &engineMetrics{}
	for _, f := range families {
		if f.GetName() != "lanecast_batch_statements" {
			continue
		}
		for _, metric := range f.GetMetric() {
			h := metric.GetHistogram()
			m.batchCount += h.GetSampleCount()
			m.statements += h.GetSampleSum()
			for i, b := range h.GetBucket() { // of the same bounds in every engine
				if i == len(m.bounds) {
					m.bounds, m.cumulative = append(m.bounds, b.GetUpperBound()), append(m.cumulative, 0)
				}
				m.cumulative[i] += b.GetCumulativeCount()
			}
		}
	}
	return m, nil
}

// batches returns the numbers of batches by size since an earlier reading, and their mean size.
func (m *engineMetrics) batches(before *engineMetrics) (sizes []bucket, mean float64) {
	var below uint64
	for i, bound := range m.bounds {
		n := m.cumulative[i] - before.cumulative[i]
		sizes = append(sizes, bucket{bound, n - below})
		below = n
	}
	n := m.batchCount - before.batchCount
	if n > below {
		sizes = append(sizes, bucket{math.MaxInt32, n - below})
	}
	if n > 0 {
		mean = (m.statements - before.statements) / float64(n)
	}
	return sizes, mean
}

// meanBatch returns the mean size of all batches so far, 0 if there were none. It gathers every
// lane's metrics, so it is slow.
func (g *registry) meanBatch() float64 {
	m, err := g.read()
	if err != nil || m.batchCount == 0 {
		return 0
	}
	return m.statements / float64(m.batchCount)
}
