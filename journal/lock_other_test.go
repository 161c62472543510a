//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// GOOS=js GOARCH=wasm go test -run ASystem \
//
//	-exec "$(go env GOROOT)/lib/wasm/go_js_wasm_exec" ./journal
func TestASystemWithoutFlockIsRefusedByNameAndNoFolderIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	for _, c := range []Config{{Dir: dir}, creating(Config{Dir: dir})} {
		_, err := Open(c, nil)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), runtime.GOOS+" has none") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
