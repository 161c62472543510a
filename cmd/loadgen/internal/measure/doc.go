// Package measure reads the figures of running engines: moments, the series of points between them,
// latencies and messages.
package measure
