package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// maxKeySet is the most bytes of a key set.
	maxKeySet = 1 << 20
	// maxSetKeys is the most keys of a set that are taken.
	maxSetKeys = 100
	// maxRedirects is how often a key set may redirect.
	maxRedirects = 3
)

// newFetchClient returns a client that goes where it is told to and nowhere else: no proxy of the environment, no other host.
func newFetchClient() *http.Client {
	return &http.Client{
		// Key sets are fetched seldom: connections are not worth keeping.
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: fetchTimeout},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || r.URL.Scheme != via[0].URL.Scheme || r.URL.Host != via[0].URL.Host {
				return errRedirect
			}
			return nil
		},
		Timeout: 2 * fetchTimeout, // the request's context is sooner
	}
}

// fetches are the fetches that go on.
type fetches struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// begin runs a fetch in the background. Requests may still come while the node ends: after Wait it returns errClosed, so that
// none is left running.
func (f *fetches) begin(fetch func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	f.running.Go(fetch) // Wait joins it
	return nil
}

// Wait lets no fetch begin any more, and waits for those that go on.
func (f *fetches) Wait() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}

// fetchKeys returns the keys of a set that are of use. Errors have the address without its query, which may be a secret.
func fetchKeys(ctx context.Context, client *http.Client, address string) ([]*key, error) {
	body, err := fetchSet(ctx, client, address)
	var keys []*key
	if err == nil {
		keys, err = parseKeys(body)
	}
	if err != nil {
		shown, _, _ := strings.Cut(address, "?")
		return nil, fmt.Errorf("fetch keys from %s: %w", shown, err)
	}
	return keys, nil
}

// fetchSet returns what is at an address.
func fetchSet(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // the configuration names it, and nothing that a caller sends
	if err != nil {
		return nil, withoutURL(err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request) //nolint:gosec // as above; redirects stay at the host
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the status is %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxKeySet)
	}
	return body, nil
}

// withoutURL takes off what net/http puts around its errors: the whole URL, that of a redirect too.
func withoutURL(err error) error {
	if wrapped, is := errors.AsType[*url.Error](err); is {
		return wrapped.Err
	}
	return err
}

// parseKeys reads a key set (RFC 7517, section 5). Keys that are not of use are left out, and so are those that cannot be
// read: kinds of keys are added over time.
func parseKeys(body []byte) ([]*key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("the answer is not a key set")
	}
	var keys []*key
	for _, raw := range set.Keys[:min(len(set.Keys), maxSetKeys)] {
		if k := parseKey(raw); k != nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// parseKey returns nil for a key that is not for us.
func parseKey(raw []byte) *key {
	var k jose.JSONWebKey
	var more struct {
		Operations []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &k) != nil || json.Unmarshal(raw, &more) != nil {
		return nil
	}
	if k.Use != "" && k.Use != "sig" || more.Operations != nil && !slices.Contains(more.Operations, "verify") || !k.Valid() {
		return nil
	}
	switch k.Key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey: // a secret is none once it is published
		return &key{material: k.Key, id: k.KeyID, alg: jose.SignatureAlgorithm(k.Algorithm)}
	default:
		return nil
	}
}
