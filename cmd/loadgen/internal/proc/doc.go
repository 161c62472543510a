// Package proc runs one member of a network in this process: an engine over package network, with
// TLS, real connections and a journal that survives the process.
//
// Members agree on the time of a run among themselves. Each one tells the others when it is
// connected to all of them, or to a quorum after a while. Once the first member by number has heard
// that of all, it names a time. Members that know the time tell it to those that connect later, so
// that a member that was killed and starts again goes on in the same run. A time in the network's
// file takes precedence.
package proc
