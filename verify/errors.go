package verify

import "errors"

// Errors of verification and of the constructors, wrapped with the particulars.
var (
	// ErrConfig: a field of [Config] outside its range, an unknown [Variant], or an environment
	// variable that [CheckEnvironment] refuses. The error names it and the range.
	ErrConfig = errors.New("invalid config")
	// ErrCertificate: a certificate that is not valid.
	ErrCertificate = errors.New("invalid certificate")
	// ErrVote: an ack whose signature is not valid.
	ErrVote = errors.New("invalid ack signature")
	// ErrProposal: a chunk whose sequencer did not sign it.
	ErrProposal = errors.New("invalid chunk signature")
	// ErrInconsistentKeys: votes that are each valid combine to an invalid certificate. The keys of
	// the set do not belong together, which is a mistake in its configuration and no validator's
	// fault.
	ErrInconsistentKeys = errors.New("keys of the validator set are inconsistent")
	// ErrKey: a key that is malformed, the identity, of small order, outside its subgroup, or
	// without a valid proof of possession.
	ErrKey = errors.New("invalid key")
	// ErrValidatorSet: a validator set that is empty, has duplicates, or is too large.
	ErrValidatorSet = errors.New("invalid validator set")
	// ErrNotValidator: a secret key whose public key is not in the validator set.
	ErrNotValidator = errors.New("the key is not in the validator set")
	// ErrVariableTime: this build can sign only in a time that depends on the key, and
	// AllowVariableTimeSigning is not set.
	ErrVariableTime = errors.New("signing is not constant-time in this build; build with cgo, or set AllowVariableTimeSigning")
)
