package auth

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/pushstream/pushstream/pkg/event"
)

const (
	// keysFresh is how long fetched keys are taken without asking again.
	keysFresh = 15 * time.Minute
	// keysOld is how long they are taken while they are being fetched again. From then on the answer is waited for: on a node
	// where nothing happened for long, a key that was withdrawn in the meantime would count once more.
	keysOld = 2 * keysFresh
	// keysStale is how long they are taken while the issuer cannot be asked.
	keysStale = 24 * time.Hour
	// unknownPause is the least time between two fetches for keys that are not known: anybody can make such a token up.
	unknownPause = 30 * time.Second
	// maxWanted is the most keys that are not known of which is kept that they were asked for: made-up ones take memory.
	maxWanted = 100
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
	fetches fetches

	mu       sync.Mutex
	keys     []*key
	added    []*key            // those of them that came with the last answer
	answered time.Time         // when the issuer last gave keys
	asked    time.Time         // when it was last asked
	searched time.Time         // when it was last asked for a key that is not known
	failed   bool              // the last fetch
	under    chan struct{}     // closed when the fetch that goes on ends; nil without one
	wanted   map[want]struct{} // asked for since the last fetch began, at most maxWanted
	sought   map[want]struct{} // asked for before the fetch of the last answer began
}

// want is a key that a token asks for. It has the digest of the key's id, which may be as long as a token.
type want struct {
	alg   jose.SignatureAlgorithm
	keyID [sha256.Size]byte
}

func wantOf(h header) want { return want{alg: h.alg, keyID: sha256.Sum256([]byte(h.keyID))} }

func newKeySet(issuer, url string) *keySet {
	return &keySet{
		issuer: issuer, url: url, client: newFetchClient(), timeout: fetchTimeout, log: slog.New(slog.DiscardHandler), now: time.Now,
		wanted: make(map[want]struct{}),
	}
}

// search is a fetch that somebody waits for.
type search struct {
	done <-chan struct{}
	own  bool // it began after the token came
}

// find returns the key of a token. It waits for the issuer where the key is not known or has not been confirmed for long, or
// until ctx ends.
func (s *keySet) find(ctx context.Context, h header, tried *key) (*key, error) {
	k, fetch, err := s.look(ctx, h, tried)
	if err != nil {
		return nil, fmt.Errorf("%w: issuer %s cannot be asked: %w", ErrKeysUnavailable, event.Quote(s.issuer), err)
	}
	if k != nil {
		return k, nil
	}
	if fetch.done != nil {
		select {
		case <-fetch.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: issuer %s has not given its keys yet: %w", ErrKeysUnavailable, event.Quote(s.issuer), ctx.Err())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k = s.match(h, tried); k != nil {
		return k, nil
	}
	return nil, s.verdict(h, tried, fetch.own)
}

// verdict is what it means that there is no key. The token is only wrong for good where the issuer was asked after it came:
// the issuer may have begun to use a new key since. The caller holds the mutex.
func (s *keySet) verdict(h header, tried *key, own bool) error {
	if s.failed || s.gone() {
		return fmt.Errorf("%w: issuer %s does not give them; try again later", ErrKeysUnavailable, event.Quote(s.issuer))
	}
	_, sought := s.sought[wantOf(h)]
	// Without ids all tokens ask for the same, and a forged one must not answer for a good one: the last answer counts only
	// where it brought the very key that does not fit, so that there is hardly a newer one yet.
	if sought && tried != nil {
		sought = slices.Contains(s.added, tried)
	}
	if !own && !sought {
		return fmt.Errorf("%w: issuer %s was asked before this token came; try again later", ErrKeysUnavailable, event.Quote(s.issuer))
	}
	return invalidf("issuer %s has no key for it (kid, alg)", event.Quote(s.issuer))
}

// look returns the key, or the fetch to wait for, or neither.
func (s *keySet) look(ctx context.Context, h header, tried *key) (*key, search, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	k, age := s.match(h, tried), now.Sub(s.answered)
	if k != nil && age < keysOld {
		if age >= keysFresh && now.Sub(s.asked) >= unknownPause {
			_, _ = s.fetch(ctx) //nolint:errcheck // a node that ends goes on with what it knows
		}
		return k, search{}, nil
	}
	if len(s.wanted) < maxWanted {
		s.wanted[wantOf(h)] = struct{}{}
	}
	switch {
	case s.under != nil:
		return nil, search{done: s.under}, nil
	case k != nil:
		if s.failed && now.Sub(s.asked) < unknownPause { // it was waited for just now, in vain
			return k, search{}, nil
		}
	case s.gone():
		if s.failed && now.Sub(s.asked) < failurePause {
			return nil, search{}, nil
		}
	case now.Sub(s.searched) < unknownPause:
		return nil, search{}, nil
	default:
		s.searched = now
	}
	s.wanted[wantOf(h)] = struct{}{} // one above the limit, perhaps: the fetch is for this one
	done, err := s.fetch(ctx)
	return nil, search{done: done, own: true}, err
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
// for it may leave. The error is errClosed. The caller holds the mutex.
func (s *keySet) fetch(ctx context.Context) (<-chan struct{}, error) {
	if s.under != nil {
		return s.under, nil
	}
	done, sought := make(chan struct{}), s.wanted
	s.wanted = make(map[want]struct{})
	ctx = context.WithoutCancel(ctx)
	err := s.fetches.begin(func() { // ends with its timeout; Close joins it
		defer close(done)
		bounded, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		keys, err := fetchKeys(bounded, s.client, s.url)
		s.mu.Lock()
		s.under, s.failed = nil, err != nil
		if err == nil {
			s.take(keys)
			s.answered, s.sought = s.now(), sought
		}
		s.mu.Unlock()
		s.report(ctx, len(keys), err)
	})
	if err != nil {
		return nil, err
	}
	s.under, s.asked = done, s.now()
	return done, nil
}

// take replaces the keys. One that stays is the same *key as before: whoever has tried it need not try it again. The caller
// holds the mutex.
func (s *keySet) take(keys []*key) {
	s.added = nil
	for n, k := range keys {
		if at := slices.IndexFunc(s.keys, func(had *key) bool { return same(had, k) }); at >= 0 {
			keys[n] = s.keys[at]
		} else {
			s.added = append(s.added, k)
		}
	}
	s.keys = keys
}

// same reports whether two published keys are the same one.
func same(a, b *key) bool {
	public, is := a.material.(interface {
		Equal(other crypto.PublicKey) bool
	})
	return is && a.id == b.id && a.alg == b.alg && public.Equal(b.material)
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

// errClosed says: the node ends, and asks issuers no more. Ask another node.
var errClosed = errors.New("this node is shutting down")
