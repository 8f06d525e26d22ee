package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// reach: does anything answer?
func (e *evidence) reach() Finding {
	f := Finding{Check: checkReach, Why: "nothing else can be measured where nobody answers"}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(e.head.err, &certificate):
		f.Level, f.Measured = OK, "somebody answers, with a certificate that is not believed"
	case e.head.err != nil:
		f.Level, f.Measured = Fault, "nobody answers: "+clip(e.head.err.Error(), 2*maxForeign)
	default:
		f.Level = OK
		f.Measured = fmt.Sprintf("HEAD was answered after %s; %s", round(e.head.took), e.path())
		f.Figures = map[string]int64{"answer_ms": e.head.took.Milliseconds()}
	}
	return f
}

// unreached is what a check says when nobody has answered.
func (e *evidence) unreached(f Finding) Finding {
	f.Level, f.Measured = Skipped, "nobody has answered"
	return f
}
