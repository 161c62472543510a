// Package audit checks what engines report, independently of them: it verifies certificates with a
// scheme instance of its own, compares the payloads at each place, and records what goes wrong.
package audit
