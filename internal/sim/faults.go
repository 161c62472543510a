package sim

// Faults are the rates of faults, in percent except for CrashOneIn and FailOneIn.
type Faults struct {
	Loss, Duplicate, Late int // of messages; a late one takes up to ten times as long

	CrashOneIn int // a process crashes in one of this many events; 0 for never
	FailOneIn  int // one in this many syncs fails; 0 for never
	SlowSync   int // of syncs: up to 50 times as long
	Compact    int // of crashes: released records are lost

	Refuse, Doubt int // of the application's verdicts: false, or an error
	Decline       int // of its proposals
	SlowAnswer    int // of verdicts and proposals: up to 20 times as long
	SignFailure   int // of acks and chunks to be signed
	CutShort      int // of verifications: they end without a verdict
	SlowVerify    int // of verifications: up to 20 times as long

	LosePayload int // of chunks, at each process: no verdict in time
	HangPropose int // of questions for a payload: the same
	HangSigner  int // of requests to sign: the same
	SlowReport  int // of reports: up to 50 times as long
	LoseDisk    int // of the phases of a fault run: they begin with the loss of a disk
	AdoptLocks  int // of the phases: they begin with a process that adopts the locks of another
}

// Fault is a kind of injected fault.
type Fault int

// The faults that [Stats] counts.
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
	Connected
	LanesResumed
	ResumesRefused
	ChunksForgotten
	AnswersHostile
	LocksOfRetiredKeys
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
	"connections", "lanes resumed", "lanes that could not be resumed from what was shown", "chunks that nobody showed in a recovery",
	"hostile answers to processes that recover", "locks signed by retired keys",
}

func (f Fault) String() string { return faultNames[f] }

// Stats counts the events of a run.
type Stats struct {
	Events   int // calls of a core: messages, verdicts, ticks and so on
	Messages int // delivered
	Locks    int // distinct chunks certified
	Restarts int
	// Statements decided by the model, those decided by verify/batch, and those of both kinds whose
	// votes came back undecided.
	Modelled, Batched, Undecided int
	// Certificates is the number of distinct certificates that the independent verifier checked.
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
