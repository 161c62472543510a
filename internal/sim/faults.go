package sim

// Faults says how often things go wrong. All are in percent, but for CrashOneIn and FailOneIn.
type Faults struct {
	Loss, Duplicate, Late int // of messages; late ones take up to ten times as long

	CrashOneIn int // a process crashes in one of so many events, at one of its effects; 0 for never
	FailOneIn  int // one in so many syncs fails; 0 for never
	SlowSync   int // of syncs: up to 50 times as long
	Compact    int // of crashes: released records are gone

	Refuse, Doubt int // of the application's verdicts: false, or none
	Decline       int // of its proposals
	SlowAnswer    int // of both: up to 20 times as long
	SignFailure   int // of acks and chunks to be signed
	CutShort      int // of verifications: no verdict comes of them
	SlowVerify    int // of them: up to 20 times as long

	LosePayload int // of chunks, at each process: no verdict on it comes before the question's context ends, or very late
	HangPropose int // of questions for a payload: the same
	HangSigner  int // of requests to sign: the same
	SlowReport  int // of reports: up to 50 times as long
	LoseDisk    int // of the spells of a storm begin with the loss of a disk
	AdoptLocks  int // … or with a process that is handed what another one knows
}

// Fault is a kind of thing that was made to go wrong.
type Fault int

// What can go wrong, as counted by [Stats].
const (
	Lost Fault = iota
	Duplicated
	Delayed
	CutOff
	Crashed
	CrashedBetweenEffects
	RecordsLost
	Compacted
	SyncFailed
	SyncSlow
	Refused
	Doubted
	Declined
	AnswerSlow
	SignatureFailed
	VerificationCut
	Partitioned
	EpochChanged
	SetsLate
	HostileMessages
	JournalCrashed
	VerificationSlow
	PayloadLost
	ProposalHung
	SignerHung
	CallsEnded
	ReportSlow
	ReportsLost
	LocksReportedAgain
	IntakePaused
	MessagesHeld
	DiskLost
	Adopted
	LanesDormant
	numFaults
)

var faultNames = [numFaults]string{
	"messages lost", "messages duplicated", "messages delayed", "messages cut off by a partition",
	"crashes", "crashes between two effects of one event", "journal records lost in crashes", "journals compacted before a restart",
	"syncs failed", "syncs slow", "chunks refused by the application", "verdicts not reached by the application",
	"proposals declined", "answers slow", "signatures failed", "verifications cut short", "partitions", "changes of epoch",
	"validator sets known late", "hostile messages", "crashes of a real journal, in recovery too",
	"verifications slow", "payloads lost on their way to a process", "questions for a payload without an answer",
	"signers that hung", "calls whose context ended", "reports slow", "reports lost in crashes", "locks reported again",
	"pauses of the intake", "messages held or dropped in a pause", "disks lost", "adoptions", "lanes that became dormant",
}

func (f Fault) String() string { return faultNames[f] }

// Stats count what a run was made of.
type Stats struct {
	Events   int // messages, verdicts, ticks, …: whatever a core was told
	Messages int // delivered
	Locks    int // distinct chunks certified
	Restarts int
	// Judged statements: by the model, by verify/batch, and those of either kind whose votes came back undecided.
	Modelled, Batched, Undecided int
	// Certificates is how many distinct ones the witness verified.
	Certificates int
	Faults       [numFaults]int
	Attacks      [numAttacks]int
}

// Add adds o to s.
func (s *Stats) Add(o *Stats) {
	s.Events += o.Events
	s.Messages += o.Messages
	s.Locks += o.Locks
	s.Restarts += o.Restarts
	s.Modelled += o.Modelled
	s.Batched += o.Batched
	s.Undecided += o.Undecided
	s.Certificates += o.Certificates
	for i, n := range o.Faults {
		s.Faults[i] += n
	}
	for i, n := range o.Attacks {
		s.Attacks[i] += n
	}
}
