package network

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

func signal(t *testing.T, c *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessThatIsStoppedIsGivenUpAndConnectedAgainWhenItGoesOnAndNobodyElseNotices(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := startProcess(t, h.address)
	h.answers(t)
	signal(t, p, syscall.SIGSTOP)
	h.until(t, "the process is given up", func() bool { return h.reason(h.id) != nil })
	if why := h.reason(h.id); !errors.Is(why, errIdle) {
		t.Errorf("it was given up for %v", why)
	}
	signal(t, p, syscall.SIGCONT)
	h.answers(t)
	h.isolated(t)
}

func TestAProcessThatIsStartedWhileAnotherOfItsIdentityIsStoppedTakesItsPlace(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	first := startProcess(t, h.address)
	h.answers(t)
	signal(t, first, syscall.SIGSTOP)
	startProcess(t, h.address)
	h.answers(t)
	h.isolated(t)
}
