package journal

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestTheErrorOfAFolderThatCannotBeSyncedGivesAdvice(t *testing.T) {
	err := OS().SyncDir("/proc") // returns EINVAL, as some network file systems do
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, syscall.EINVAL) ||
		!strings.Contains(err.Error(), "sync /proc") || !strings.Contains(err.Error(), "Put the journal on a local file system") {
		t.Errorf("error %v", err)
	}
}

func TestASyncThatTheKernelRefusesIsAnErrorWithTheFilesName(t *testing.T) {
	r, w, err := os.Pipe() // a pipe cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := syncData(w); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "fdatasync "+w.Name()) {
		t.Errorf("error %v", err)
	}
	if err := (osFile{w}).Sync(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "cannot sync a file") {
		t.Errorf("error %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syncData(w); err == nil || !strings.Contains(err.Error(), "fdatasync "+w.Name()) {
		t.Errorf("closed: error %v", err)
	}
}
