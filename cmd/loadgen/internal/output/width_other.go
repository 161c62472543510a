//go:build !unix

package output

// terminalWidth returns 0: the width is not known on this system.
func terminalWidth(uintptr) int { return 0 }
