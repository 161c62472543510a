package measure

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// Registry holds the engines' metrics, for the result and for --metrics.
type Registry struct{ *prometheus.Registry }

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{prometheus.NewRegistry()} }

// EngineMetrics holds the metrics that a Status lacks, summed over all engines.
type EngineMetrics struct {
	bounds     []float64
	cumulative []uint64 // batches of at most bounds[i] statements
	batchCount uint64
	statements float64
}

// Read reads the metrics of all engines.
func (g *Registry) Read() (*EngineMetrics, error) {
	families, err := g.Gather()
	if err != nil {
		return nil, err
	}
	m := &EngineMetrics{}
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

// Batches returns the numbers of batches by size since an earlier reading, and their mean size.
func (m *EngineMetrics) Batches(before *EngineMetrics) (sizes []Bucket, mean float64) {
	var below uint64
	for i, bound := range m.bounds {
		n := m.cumulative[i] - before.cumulative[i]
		sizes = append(sizes, Bucket{bound, n - below})
		below = n
	}
	n := m.batchCount - before.batchCount
	if n > below {
		sizes = append(sizes, Bucket{math.MaxInt32, n - below})
	}
	if n > 0 {
		mean = (m.statements - before.statements) / float64(n)
	}
	return sizes, mean
}

// MeanBatch returns the mean size of all batches so far, 0 if there were none. It gathers every
// lane's metrics, so it is slow.
func (g *Registry) MeanBatch() float64 {
	m, err := g.Read()
	if err != nil || m.batchCount == 0 {
		return 0
	}
	return m.statements / float64(m.batchCount)
}

// Bucket counts the batches with at most UpTo statements and more than the bucket before.
type Bucket struct {
	UpTo  float64 `json:"up_to"`
	Count uint64  `json:"count"`
}
