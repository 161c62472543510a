// Package proc runs one member of a network in this process: an engine over package network, with
// TLS, real connections and a journal that outlives it.
//
// Members agree on the time of a run among themselves. Each says when it is connected to all others, or
// to a quorum of them after a while; once the first member by number hears that of all, it names a time.
// Whoever knows it tells those that connect later, so that a member that was killed and starts again
// goes on in the same run. A time that stands in the network's file comes before that.
package proc
