// Package member has the parts of a member that are the same in all clusters, over a simulated
// network or a real one: the engine's configuration, an application without bodies, and the
// handling of the engine's reports.
package member
