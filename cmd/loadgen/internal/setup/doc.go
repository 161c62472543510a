// Package setup describes the engines of a run: the flags about their validator set and their
// configuration, the validators' weights, and the payloads that they propose.
package setup
