// Package deploy holds what operators load into their monitoring: grafana-dashboard.json, a
// dashboard, and prometheus-alerts.yml, alert rules. Its test runs an engine and fails if either
// names a metric or a label value that the engine does not export.
package deploy
