package core

import (
	"errors"
	"testing"
)

func TestARecordIsDescribedAsItWasWritten(t *testing.T) {
	r := newRig(t, 4)
	lock := r.w.lock(chunk(1, 6, 66), 5)
	r.tip(on(lock, 7))
	var node, certificate int
	for _, rec := range r.disk.Records {
		info, err := DescribeRecord(rec.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "epoch", info.Epoch, 5)
		expect(t, "certified", *info.Certified, lock.Chunk)
		expect(t, "sequencer", info.Sequencer, id(1))
		switch info.Kind {
		case CertificateRecord:
			certificate++
			expect(t, "tip in a certificate", info.Tip == nil, true)
		case TipRecord:
			node++
			expect(t, "tip", *info.Tip, on(lock, 7).Chunk)
		}
		for _, bad := range [][]byte{nil, {8}, rec.Bytes[:1], rec.Bytes[:40]} {
			if _, err := DescribeRecord(bad); !errors.Is(err, ErrRecord) {
				t.Errorf("%x: error %v", bad, err)
			}
		}
	}
	if node != 1 || certificate != 1 {
		t.Errorf("%d nodes, %d certificates", node, certificate)
	}
}
