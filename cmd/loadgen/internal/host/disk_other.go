//go:build !linux

package host

// fileSystem returns "": the name is not known on this system.
func fileSystem(string) string { return "" }
