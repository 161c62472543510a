package output

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAnOutputFileIsWrittenOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := OpenFile("json", name)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		if err := f.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	f.Close()
	if b, err := os.ReadFile(name); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
}
