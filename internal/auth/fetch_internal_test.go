package auth

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Settle waits for the fetches that go on.
func (t *Tokens) Settle() {
	for _, i := range t.issuers {
		set, fetched := i.source.(*keySet)
		if !fetched {
			continue
		}
		set.mu.Lock()
		under := set.under
		set.mu.Unlock()
		if under != nil {
			<-under
		}
	}
}

// The environment's proxy is for others: who sets it would see, and could change, which keys count. A server in a test cannot
// show it, since there is never a proxy for this machine.
func TestFetchesUseNoProxy(t *testing.T) {
	transport, is := newFetchClient().Transport.(*http.Transport)
	require.True(t, is)
	require.Nil(t, transport.Proxy)
}

// slowIssuer answers some time after it was asked with the keys that it had then.
type slowIssuer struct {
	takes atomic.Int64 // nanoseconds
	asked atomic.Int32

	mu   sync.Mutex
	keys []jose.JSONWebKey
}

func (i *slowIssuer) publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *slowIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.asked.Add(1)
	i.mu.Lock()
	body, err := json.Marshal(map[string]any{"keys": i.keys})
	i.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(i.takes.Load())):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, nil
}

// slow returns an issuer that takes a second, and its keys as a node has them. The clock is that of the test's bubble.
func slow(t *testing.T) (*slowIssuer, *keySet) {
	t.Helper()
	i := &slowIssuer{}
	i.takes.Store(int64(time.Second))
	s := newKeySet("i", "https://login.example/keys")
	s.client.Transport = i
	t.Cleanup(s.fetches.Wait)
	return i, s
}

func publishedKey(t *testing.T, kid string) jose.JSONWebKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig"}
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // the bubble's clock

func with(kid string) header { return header{alg: jose.EdDSA, keyID: kid} }

// Who comes while the keys are being fetched, and has one that is newer than the answer, is told to come back.
func TestFetchThatBeganBeforeTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, s := slow(t)
		a, b := publishedKey(t, "a"), publishedKey(t, "b")
		issuer.publish(a)
		_, err := s.find(t.Context(), with("a"), nil)
		require.NoError(t, err)

		madeUp := make(chan error, 1)
		go func() { // joined by its result
			_, findErr := s.find(t.Context(), with("made-up"), nil)
			madeUp <- findErr
		}()
		synctest.Wait()
		issuer.publish(a, b)
		_, err = s.find(t.Context(), with("b"), nil)
		require.ErrorIs(t, err, ErrKeysUnavailable)
		require.NotErrorIs(t, err, ErrInvalidToken)
		require.ErrorIs(t, <-madeUp, ErrInvalidToken)
		require.Equal(t, int32(2), issuer.asked.Load())

		pass(unknownPause)
		k, err := s.find(t.Context(), with("b"), nil)
		require.NoError(t, err)
		require.Equal(t, "b", k.id)
		require.Equal(t, int32(3), issuer.asked.Load())
	})
}

// The same where nothing but the signature tells that there is a newer key.
func TestFetchThatBeganBeforeTheTokenWithoutID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, s := slow(t)
		issuer.publish(publishedKey(t, ""))
		old, err := s.find(t.Context(), with(""), nil)
		require.NoError(t, err)

		forged := make(chan error, 1)
		go func() { // joined by its result
			_, findErr := s.find(t.Context(), with(""), old)
			forged <- findErr
		}()
		synctest.Wait()
		_, err = s.find(t.Context(), with(""), old)
		require.ErrorIs(t, err, ErrKeysUnavailable)
		require.NotErrorIs(t, err, ErrInvalidToken)
		require.ErrorIs(t, <-forged, ErrInvalidToken)
		require.Equal(t, int32(2), issuer.asked.Load())
	})
}

// Keys that have not been confirmed for long are waited for: as long as a fetch may take, or the caller wants to. They count
// only where the issuer does not answer, and that is not tried for every token.
func TestOldKeysAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, s := slow(t)
		issuer.publish(publishedKey(t, "a"))
		find := func(ctx context.Context) (waited time.Duration, err error) {
			began := time.Now()
			_, err = s.find(ctx, with("a"), nil)
			return time.Since(began), err
		}
		_, err := find(t.Context())
		require.NoError(t, err)

		pass(keysOld - time.Nanosecond)
		waited, err := find(t.Context())
		require.NoError(t, err)
		require.Zero(t, waited, "they are fetched behind its back")
		pass(time.Second)
		require.Equal(t, int32(2), issuer.asked.Load())

		pass(keysOld)
		waited, err = find(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Second, waited)

		issuer.takes.Store(int64(time.Hour))
		pass(keysOld)
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waited, err = find(hasty)
		require.ErrorIs(t, err, ErrKeysUnavailable)
		require.Equal(t, time.Second, waited)
		waited, err = find(t.Context())
		require.NoError(t, err)
		require.Equal(t, fetchTimeout-time.Second, waited, "it is the same fetch")
		for range 3 {
			waited, err = find(t.Context())
			require.NoError(t, err)
			require.Zero(t, waited)
		}
		require.Equal(t, int32(4), issuer.asked.Load())
		pass(unknownPause)
		waited, err = find(t.Context())
		require.NoError(t, err)
		require.Equal(t, fetchTimeout, waited)
		require.Equal(t, int32(5), issuer.asked.Load())
	})
}

// Fetches may be asked for while they are being waited for. What has begun is waited for, the others are refused.
func TestFetchesThatRaceWithTheEnd(t *testing.T) {
	for range 100 {
		var f fetches
		var going atomic.Int32
		errs := make(chan error)
		for range 8 {
			go func() { // joined by its result
				errs <- f.begin(func() {
					going.Add(1)
					runtime.Gosched()
					going.Add(-1)
				})
			}()
		}
		f.Wait()
		require.Zero(t, going.Load())
		for range 8 {
			if err := <-errs; err != nil {
				require.ErrorIs(t, err, errClosed)
			}
		}
		require.Zero(t, going.Load())
		require.ErrorIs(t, f.begin(func() { t.Error("it runs") }), errClosed)
	}
}
