package network

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// received is a frame that a raw peer received.
type received struct {
	typ  Type
	body []byte
}

// connectRawBulk connects a raw peer's bulk connection, beside its control connection.
func connectRawBulk(t *testing.T, w *world, instance byte) *rawPeer {
	t.Helper()
	raw := dialRaw(t, w, w.keys[1], 0)
	raw.hello(t, func(h *hello) { h.instance, h.class = [16]byte{instance}, Bulk })
	return raw
}

// listen answers pings and passes all other frames on until the connection ends.
func (r *rawPeer) listen() <-chan received {
	frames := make(chan received, 1000)
	go func() {
		defer close(frames)
		for {
			typ, body, err := r.tryFrame()
			if err != nil {
				return
			}
			if typ != typePing {
				frames <- received{typ, body}
			} else if _, err := r.tls.Write(frameOf(typePong, append(body, body...))); err != nil {
				return
			}
		}
	}()
	return frames
}

// answers returns the answers among the frames that have come.
func answers(frames <-chan received) (all []received) {
	for len(frames) > 0 {
		if f := <-frames; f.typ == typePiece || f.typ == typeUnanswered {
			all = append(all, f)
		}
	}
	return all
}

func closeRaw(all ...*rawPeer) {
	for _, r := range all {
		r.tls.NetConn().Close()
	}
}

// Every request is answered, on a connection to the instance that asked. docs/protocol.md 8.
func TestARequestOfAnInstanceThatIsNotProvenYetIsToldThatWeAreBusy(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		control, bulk := connectRaw(t, w, 1), connectRawBulk(t, w, 1)
		control.listen()
		old := bulk.listen()
		after(time.Second)
		newControl, newBulk := connectRaw(t, w, 2), connectRawBulk(t, w, 2)
		newBulk.send(t, numbered(typePieceRequest, 1, nil))
		synctest.Wait()
		newControl.listen()
		got := newBulk.listen()
		after(10 * time.Second)
		if all := answers(old); len(all) != 0 {
			t.Errorf("the old instance got %x", all)
		}
		if all := answers(got); len(all) != 1 || all[0].typ != typeUnanswered || all[0].body[7] != 1 || all[0].body[8] != unansweredBusy {
			t.Errorf("the new instance got %x", all)
		}
		newBulk.send(t, numbered(typePieceRequest, 2, nil))
		after(time.Second)
		if all := answers(got); len(all) != 1 || all[0].typ != typePiece {
			t.Errorf("the second request got %x", all)
		}
		a.stop(t)
		closeRaw(control, bulk, newControl, newBulk)
	})
}

func TestTheResultOfARequestIsDroppedWhenItsConnectionIsLost(t *testing.T) {
	for name, late := range map[string]func(reply func(Type, []byte) error){
		"no reply":     func(func(Type, []byte) error) {},
		"a late reply": func(reply func(Type, []byte) error) { _ = reply(typePiece, []byte("late")) },
	} {
		bubble(t, 2, func(t *testing.T, w *world) {
			first := true // of the requests, which come one by one
			r := &recorder{answer: func(ctx context.Context, _ Type, _ []byte, reply func(Type, []byte) error) {
				if !first {
					time.Sleep(5 * time.Second)
					_ = reply(typePiece, []byte("right"))
					return
				}
				first = false
				<-ctx.Done()
				time.Sleep(time.Second)
				late(reply)
			}}
			a := w.start(0, r)
			after(time.Second)
			control, bulk := connectRaw(t, w, 1), connectRawBulk(t, w, 1)
			control.listen()
			bulk.send(t, numbered(typePieceRequest, 1, nil))
			synctest.Wait()
			closeRaw(bulk)
			synctest.Wait()
			bulk = connectRawBulk(t, w, 1)
			got := bulk.listen()
			bulk.send(t, numbered(typePieceRequest, 1, nil))
			after(10 * time.Second)
			if all := answers(got); len(all) != 1 || string(all[0].body[8:]) != "right" {
				t.Errorf("%s: the request on the next connection got %x", name, all)
			}
			a.stop(t)
			closeRaw(control, bulk)
		})
	}
}

func TestAnAnswerOfAnInstanceThatIsGoneAnswersNoLaterRequest(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		control, bulk := connectRaw(t, w, 1), connectRawBulk(t, w, 1)
		control.listen()
		asked := make(chan string, 2)
		ask := func() {
			m, err := a.n.Request(t.Context(), w.id(1), typePieceRequest, nil)
			if err != nil {
				asked <- err.Error()
				return
			}
			asked <- string(m.Buffer.Bytes())
			m.Buffer.Release()
		}
		number := func(frames <-chan received) []byte {
			for {
				if f := <-frames; f.typ == typePieceRequest {
					return f.body[:8]
				}
			}
		}
		go ask()
		first := number(bulk.listen())
		newControl, newBulk := connectRaw(t, w, 2), connectRawBulk(t, w, 2)
		newControl.listen()
		got := newBulk.listen()
		synctest.Wait()
		if why := <-asked; why != ErrDisconnected.Error() {
			t.Errorf("the first request ended with %q", why)
		}
		go ask()
		second := number(got)
		// The old connections are read to their end.
		frame := appendHead(nil, typePiece, Answer, 0, 3)
		answer := func(number []byte, text string) []byte {
			return append(append(frame[:headSize:headSize], number...), text...)
		}
		_, _ = bulk.tls.Write(answer(first, "old"))
		_, _ = bulk.tls.Write(answer(second, "old"))
		synctest.Wait()
		newBulk.send(t, answer(first, "old"))
		newBulk.send(t, answer(second, "new"))
		if got := <-asked; got != "new" {
			t.Errorf("the second request got %q", got)
		}
		after(10 * time.Second)
		a.stop(t)
		closeRaw(control, bulk, newControl, newBulk)
	})
}

// A connection on which nothing has come in for a while although pings were sent is closed.
// docs/protocol.md 8.2.
func TestAConnectionOnWhichBulkAlwaysWaitsIsPinged(t *testing.T) {
	for name, answers := range map[string]bool{"answered": true, "not answered": false} {
		bubble(t, 2, func(t *testing.T, w *world) {
			w.config = func(_ int, c *Config) { c.BulkRate = 1 << 20 }
			a := w.start(0, nil)
			after(time.Second)
			control, bulk := connectRaw(t, w, 1), connectRawBulk(t, w, 1)
			control.listen()
			pings := make(chan struct{}, 100)
			ended := make(chan time.Duration, 1)
			began := time.Now()
			go func() {
				for {
					typ, body, err := bulk.tryFrame()
					if err != nil {
						ended <- time.Since(began)
						return
					}
					if typ == typePing {
						pings <- struct{}{}
						if answers {
							_, _ = bulk.tls.Write(frameOf(typePong, append(body, body...)))
						}
					}
				}
			}()
			body := make([]byte, 64<<10)
			for range 300 { // more than the rate lets through
				a.n.Send([]wire.PublicKey{w.id(1)}, typeBody, body)
				a.n.Send([]wire.PublicKey{w.id(1)}, typeBody, body)
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			switch {
			case answers && len(pings) < 5:
				t.Errorf("%s: %d pings in 30 s", name, len(pings))
			case answers && len(ended) > 0:
				t.Errorf("%s: the connection ended after %v", name, <-ended)
			case !answers && len(ended) == 0:
				t.Errorf("%s: the connection lives", name)
			}
			a.stop(t)
			closeRaw(control, bulk)
		})
	}
}

// lateAdmit is a host that changes its answer, and calls Recheck, while Admit runs.
type lateAdmit struct {
	*recorder
	refuse bool
	change func()
}

func (h *lateAdmit) Admit(wire.PublicKey) Role {
	if h.refuse {
		return Refused
	}
	h.refuse = true
	h.change()
	time.Sleep(time.Second)
	return Member
}

func TestARecheckWhileAConnectionIsBeingAdoptedCounts(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.config = func(_ int, c *Config) { c.Addresses = nil }
		p := w.build(0)
		p.recorder = new(recorder)
		p.run(&lateAdmit{recorder: p.recorder, change: p.n.Recheck})
		after(time.Second)
		raw := dialRaw(t, w, w.keys[1], 0)
		h := goodHello()
		raw.send(t, frameOf(typeHello, h.appendTo(nil)))
		if e := raw.goodbye(); e == nil || e.code != byeRefused {
			t.Errorf("told %v", e)
		}
		if len(p.history()) != 0 {
			t.Errorf("told %q", p.history())
		}
		p.stop(t)
		closeRaw(raw)
	})
}
