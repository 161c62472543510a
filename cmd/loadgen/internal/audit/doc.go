// Package audit checks the engines' reports independently of them: it verifies certificates with a
// scheme instance of its own, compares the payloads at each place, and records problems.
package audit
