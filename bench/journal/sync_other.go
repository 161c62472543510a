//go:build !linux

package journalbench

import "os"

func syncData(f *os.File) error { return f.Sync() }
