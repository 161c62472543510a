// Package model has deterministic replacements for slow, random and hardware-dependent parts: a
// family of schemes made of keyed hashes ([Scheme]), a function that decides statements one by one
// ([Decide]), and a journal that is a slice ([Disk]). The core's rule tests and the simulator
// (package sim) use them.
package model
