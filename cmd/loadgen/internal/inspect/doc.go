// Package inspect reads journals and archives that nothing uses, and says what is in them and
// whether they are damaged.
package inspect
