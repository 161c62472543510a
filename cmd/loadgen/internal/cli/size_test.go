package cli

import "testing"

func TestASizeHasAUnitOrIsOfBytes(t *testing.T) {
	v := 0
	f := Size(&v)
	for text, want := range map[string]int{"4096": 4096, "256KiB": 256 << 10, "1.5MiB": 3 << 19, "1MB": 1e6, "64 kB": 64e3, "12B": 12, "0": 0} {
		if err := f.Set(text); err != nil || v != want {
			t.Errorf("%q is %v, %v", text, v, err)
		}
		again := 0
		if err := Size(&again).Set(f.String()); err != nil || again != v {
			t.Errorf("%q is written as %q and read as %d, %v", text, f.String(), again, err)
		}
	}
	for _, text := range []string{"", "KiB", "NaN", "-1", "1.5", "3GiB", "1e300MB", "4 apples", "256KB"} {
		if err := f.Set(text); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}
