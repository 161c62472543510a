// Package member is what the member of a cluster is made of that all clusters have alike, whatever
// carries their messages: the engine's configuration, an application without bodies, and what is
// done with the engine's reports.
package member
