// Package inspect reads journals and archives that no process uses, and reports their content and
// damage.
package inspect
