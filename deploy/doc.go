// Package deploy holds files for an operator's monitoring:
//
//	prometheus-alerts.yml        alert rules; docs/operations.md has a section for each
//	prometheus-alerts-test.yml   cases in which each fires and does not, for promtool test rules
//	grafana-dashboard.json       a dashboard
//	lanecast-member@.service     one member of a network that loadgen measures
//
// Its tests run a cluster and fail if one of them names a metric or a label value that nothing exports.
// .ci/run alerts has Prometheus evaluate all of them.
package deploy
