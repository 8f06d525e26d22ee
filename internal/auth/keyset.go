package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// keysFresh is how long fetched keys are taken without asking again.
	keysFresh = 15 * time.Minute
	// keysStale is how long they are taken while the issuer cannot be asked.
	keysStale = 24 * time.Hour
	// unknownPause is the least time between two fetches for keys that are not known: anybody can make such a token up.
	unknownPause = 30 * time.Second
	// failurePause is the least time between two fetches of an issuer that did not answer, while there are no keys at all.
	failurePause = 5 * time.Second
	// fetchTimeout is how long a fetch may take.
	fetchTimeout = 5 * time.Second
)

// keySet has the published keys of one issuer, and nothing of others: a key's id is only unique with its issuer.
type keySet struct {
	issuer  string
	url     string
	client  *http.Client
	timeout time.Duration
	log     *slog.Logger
	now     func() time.Time
	fetches sync.WaitGroup

	mu       sync.Mutex
	keys     []*key
	answered time.Time     // when the issuer last gave keys
	asked    time.Time     // when it was last asked
	searched time.Time     // when it was last asked for a key that is not known
	failed   bool          // the last fetch
	under    chan struct{} // closed when the fetch that goes on ends; nil without one
}

func newKeySet(issuer, url string) *keySet {
	return &keySet{
		issuer: issuer, url: url, client: newFetchClient(), timeout: fetchTimeout, log: slog.New(slog.DiscardHandler), now: time.Now,
	}
}

// find returns the key of a token. It waits for the issuer where the key is not known, or until ctx ends.
func (s *keySet) find(ctx context.Context, h header, tried *key) (*key, error) {
	k, fetch := s.look(ctx, h, tried)
	if fetch == nil {
		return k, s.verdict(k)
	}
	select {
	case <-fetch:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: issuer %s has not given its keys yet: %w", ErrKeysUnavailable, event.Quote(s.issuer), ctx.Err())
	}
	s.mu.Lock()
	k = s.match(h, tried)
	s.mu.Unlock()
	return k, s.verdict(k)
}

// verdict is what it means that there is no key.
func (s *keySet) verdict(k *key) error {
	if k != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed || s.gone() {
		return fmt.Errorf("%w: issuer %s does not give them; try again later", ErrKeysUnavailable, event.Quote(s.issuer))
	}
	return invalidf("issuer %s has no key for it (kid, alg)", event.Quote(s.issuer))
}

// look returns the key, or the fetch to wait for, or neither.
func (s *keySet) look(ctx context.Context, h header, tried *key) (*key, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if k := s.match(h, tried); k != nil {
		if now.Sub(s.answered) >= keysFresh && now.Sub(s.asked) >= unknownPause {
			s.fetch(ctx)
		}
		return k, nil
	}
	switch {
	case s.under != nil:
		return nil, s.under
	case s.gone():
		if s.failed && now.Sub(s.asked) < failurePause {
			return nil, nil
		}
	case now.Sub(s.searched) < unknownPause:
		return nil, nil
	default:
		s.searched = now
	}
	return nil, s.fetch(ctx)
}

// gone reports whether there are no keys that may be used. The caller holds the mutex.
func (s *keySet) gone() bool {
	return s.answered.IsZero() || s.now().Sub(s.answered) >= keysStale
}

// match returns the key that a token names, except for tried. The caller holds the mutex.
func (s *keySet) match(h header, tried *key) *key {
	if s.gone() {
		return nil
	}
	var fit []*key
	for _, k := range s.keys {
		if (k.alg != "" && k.alg != h.alg) || !fits(k.material, h.alg) {
			continue
		}
		if h.keyID != "" && k.id == h.keyID && k != tried {
			return k
		}
		fit = append(fit, k)
	}
	// Where either of them has no id, there must be no choice.
	if len(fit) == 1 && (h.keyID == "" || fit[0].id == "") && fit[0] != tried {
		return fit[0]
	}
	return nil
}

// fetch begins to fetch the keys, unless that goes on, and returns what is closed at its end. It is nobody's own: who waits
// for it may leave. The caller holds the mutex.
func (s *keySet) fetch(ctx context.Context) <-chan struct{} {
	if s.under != nil {
		return s.under
	}
	done := make(chan struct{})
	s.under, s.asked = done, s.now()
	ctx = context.WithoutCancel(ctx)
	s.fetches.Go(func() { // ends with its timeout; Close joins it
		defer close(done)
		bounded, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		keys, err := fetchKeys(bounded, s.client, s.url)
		s.mu.Lock()
		s.under, s.failed = nil, err != nil
		if err == nil {
			s.keys, s.answered = keys, s.now()
		}
		s.mu.Unlock()
		s.report(ctx, len(keys), err)
	})
	return done
}

func (s *keySet) report(ctx context.Context, keys int, err error) {
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "the keys of an issuer cannot be fetched", slog.String("issuer", s.issuer), slog.Any("error", err))
	case keys == 0:
		s.log.WarnContext(ctx, "an issuer publishes no key that is of use", slog.String("issuer", s.issuer))
	default:
		s.log.DebugContext(ctx, "the keys of an issuer are fetched", slog.String("issuer", s.issuer), slog.Int("keys", keys))
	}
}

// errRedirect says: a key set has moved to another host. Configure the new address.
var errRedirect = errors.New("redirect to another host or scheme, or too many of them")
