// Package node measures one real engine while a generator plays all other validators and
// sequencers.
package node
