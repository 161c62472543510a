package core

import (
	"errors"
	"slices"
	"testing"
)

// docs/protocol.md 4.4: "A record that says through which position locks have been reported is
// written every 64 locks".
func TestRule4_4_EverySixtyFourReportedLocksMakeARecord(t *testing.T) {
	r := newRig(t, 4)
	for h := range uint64(130) {
		r.certify(chunk(1, h, 1), 5)
		records := 0
		for _, rec := range r.disk.Records {
			if RecordKind(rec.Bytes[0]) == ReportedRecord {
				records++
			}
		}
		expect(t, "records, with those released", records, int(h+1)/64)
	}
}

// docs/protocol.md 2: "A message ends where its encoding ends: trailing bytes are an error."
// Records are no messages, but the rule is the same: a record that is longer than its content is
// not ours.
func TestARecordOfTheEndOfARecoveryWithMoreBytesIsRefused(t *testing.T) {
	r := newRig(t, 4, recovering)
	if err := r.adopt(r.w.lock(chunk(1, 5, 1), 5)); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, rec := range r.disk.Records {
		if RecordKind(rec.Bytes[0]) != RecoveredRecord {
			continue
		}
		seen++
		if _, err := DescribeRecord(rec.Bytes); err != nil {
			t.Fatal(err)
		}
		for more := 1; more < 33; more++ { // with 33 there could be one lane more
			longer := append(slices.Clone(rec.Bytes), make([]byte, more)...)
			if _, err := DescribeRecord(longer); !errors.Is(err, ErrRecord) {
				t.Errorf("with %d bytes more: %v", more, err)
			}
		}
	}
	expect(t, "records of the end", seen, 1)
}
