// Package model has deterministic stand-ins for what is slow, random or made of hardware: a family of schemes made of
// keyed hashes, a judge that decides statements one by one and by the book, and a journal that is a slice. The core's
// rule tests and the simulator (package sim) are built of them.
package model
