package doctor

import (
	"strings"
	"unicode"
)

const (
	// maxForeign is the most characters of a text that came from the path.
	maxForeign = 80
	// maxText is the most characters of a text in a report.
	maxText = 600
)

// foreign makes a text of others fit for a sentence of ours.
func foreign(text string) string { return clip(printable(text), maxForeign) }

// printable puts a sign in place of whatever a terminal could take for a command, line ends too, and of what changes the
// direction of writing.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "..."
}

// washer makes a report fit to be shown: no credential is in it, whoever has sent it back to us, and nothing that a terminal
// would obey.
type washer struct{ secrets *strings.Replacer }

func newWasher(cfg Config) washer {
	var pairs []string
	for _, secret := range []string{cfg.Token, cfg.PublishToken} {
		if secret != "" {
			pairs = append(pairs, secret, "[credential]")
		}
	}
	return washer{strings.NewReplacer(pairs...)}
}

func (w washer) text(text string) string { return clip(printable(w.secrets.Replace(text)), maxText) }

func (w washer) report(r *Report) {
	r.URL = w.text(r.URL)
	for _, texts := range [][]string{r.Proxies, r.Nodes} {
		for i := range texts {
			texts[i] = w.text(texts[i])
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Measured, f.Why = w.text(f.Measured), w.text(f.Why)
		for j := range f.Cure {
			f.Cure[j].Line, f.Cure[j].Where = w.text(f.Cure[j].Line), w.text(f.Cure[j].Where)
		}
	}
}
