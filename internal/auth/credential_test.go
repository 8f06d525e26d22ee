package auth_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
)

func TestAuthorizationHeader(t *testing.T) {
	w := newWorld(t, simple())
	good := w.token(t, nil)
	for name, c := range map[string]struct {
		header []string
		want   error
	}{
		"none":          {nil, auth.ErrNoToken},
		"token":         {bearer(good), nil},
		"lower case":    {[]string{"authorization", "bearer " + good}, nil},
		"upper case":    {[]string{"Authorization", "BEARER " + good}, nil},
		"blanks":        {[]string{"Authorization", "Bearer   " + good + " "}, nil},
		"empty":         {[]string{"Authorization", ""}, auth.ErrInvalidToken},
		"no token":      {[]string{"Authorization", "Bearer"}, auth.ErrInvalidToken},
		"blank token":   {[]string{"Authorization", "Bearer  "}, auth.ErrInvalidToken},
		"no scheme":     {[]string{"Authorization", good}, auth.ErrInvalidToken},
		"basic":         {[]string{"Authorization", "Basic YTpi"}, auth.ErrNoToken}, // not meant for us
		"basic and us":  {append(bearer(good), "Authorization", "Basic YTpi"), auth.ErrInvalidToken},
		"two tokens":    {[]string{"Authorization", "Bearer " + good + " " + good}, auth.ErrInvalidToken},
		"comma":         {[]string{"Authorization", "Bearer " + good + ", Bearer " + good}, auth.ErrInvalidToken},
		"twice":         {append(bearer(good), bearer(good)...), auth.ErrInvalidToken},
		"twice, one no": {append(bearer(good), "Authorization", ""), auth.ErrInvalidToken},
		"tab":           {[]string{"Authorization", "Bearer\t" + good}, auth.ErrInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			for _, by := range []func(*http.Request) (auth.Principal, error){w.Reader, w.TicketHolder, w.Publisher} {
				p, err := by(get(t, "/events", c.header...))
				requireOnly(t, c.want, err)
				if c.want == nil {
					require.Equal(t, "user:alice", p.User.String())
				} else {
					require.Zero(t, p)
				}
			}
		})
	}
}

func TestPublisher(t *testing.T) {
	cfg := simple()
	digest := "e7871013b22ba2a5b4a7a1ca97ba3bcf7f0e0ab4f2d3ba7c7f6fa2d9ba7d6b9d" // of no key
	cfg.Keys = append(
		cfg.Keys,
		auth.Key{Name: "acme", Key: "acme-key-0123456789-0123456789-ab", Tenant: "acme", Publish: []string{"topic:*"}},
		auth.Key{Name: "digest", SHA256: digest},
	)
	w := newWorld(t, cfg)
	p, err := w.Publisher(get(t, "/events", bearer(keyText)...))
	require.NoError(t, err)
	require.Equal(t, "backend", p.Key)
	require.Equal(t, "default", p.Tenant.String())
	require.True(t, p.MayPublish(target(t, "all")))
	require.False(t, p.MayRead(target(t, "topic:x")))
	require.True(t, p.Expires.IsZero())
	require.Empty(t, p.TokenID+p.Issuer)

	p, err = w.Publisher(get(t, "/events", bearer("acme-key-0123456789-0123456789-ab")...))
	require.NoError(t, err)
	require.Equal(t, "acme", p.Tenant.String())
	require.True(t, p.MayPublish(target(t, "topic:x")))
	require.False(t, p.MayPublish(target(t, "all")))

	p, err = w.Publisher(get(t, "/events", bearer(w.token(t, nil))...))
	require.NoError(t, err)
	require.True(t, p.MayPublish(target(t, "user:bob")))
	require.False(t, p.MayPublish(target(t, "topic:news")), "reading grants no publishing")

	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"token that grants none": {w.token(t, map[string]any{"pushstream": map[string]any{"subscribe": []string{"*"}}}), auth.ErrForbidden},
		"empty grants":           {w.token(t, map[string]any{"pushstream": map[string]any{"publish": []string{}}}), auth.ErrForbidden},
		"longer key":             {keyText + "x", auth.ErrInvalidToken},
		"shorter key":            {keyText[:len(keyText)-1], auth.ErrInvalidToken},
		"other case":             {strings.ToUpper(keyText), auth.ErrInvalidToken},
		"digest of a key":        {digest, auth.ErrInvalidToken},
		"expired token":          {w.token(t, map[string]any{"exp": 5}), auth.ErrExpired},
	} {
		_, err = w.Publisher(get(t, "/events", bearer(c.token)...))
		requireOnly(t, c.want, err)
		require.NotContains(t, err.Error(), c.token, name)
	}
	for _, by := range []func(*http.Request) (auth.Principal, error){w.Reader, w.TicketHolder} {
		_, err = by(get(t, "/events", bearer(keyText)...))
		requireOnly(t, auth.ErrForbidden, err)
		require.ErrorContains(t, err, "backend")
	}
	_, err = w.Verify(t.Context(), keyText)
	requireOnly(t, auth.ErrInvalidToken, err)
}

func TestKeyByDigest(t *testing.T) {
	cfg := auth.DefaultConfig()
	cfg.Keys = []auth.Key{{Name: "d", SHA256: "7a8c1bfcfd2d0d4e7d3f3a7fbd2d7f04a3bb2b6c9b4e9cf3a0f9e0d2d9c3c5c1"}}
	w := newWorld(t, cfg)
	_, err := w.Publisher(get(t, "/", bearer(keyText)...))
	requireOnly(t, auth.ErrInvalidToken, err)

	cfg.Keys[0].SHA256 = strings.ToUpper(digestHex(keyText))
	p, err := newWorld(t, cfg).Publisher(get(t, "/", bearer(keyText)...))
	require.NoError(t, err)
	require.Equal(t, "d", p.Key)
}

// The cookie counts where the page that sends it is trusted, and only to read.
func TestCookie(t *testing.T) {
	cfg := simple()
	cfg.Cookie = "session"
	cfg.Origins = []string{"https://app.example", "http://localhost:3000"}
	w := newWorld(t, cfg)
	require.True(t, w.Credentials())
	token := w.token(t, nil)
	cookie := []string{"Cookie", "a=b; session=" + token + "; c=d"}
	for name, c := range map[string]struct {
		header []string
		tls    bool
		want   error
	}{
		"trusted":             {[]string{"Origin", "https://app.example"}, false, nil},
		"trusted, local":      {[]string{"Origin", "http://localhost:3000"}, false, nil},
		"trusted, cross-site": {[]string{"Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, false, nil},
		"own, plain":          {[]string{"Origin", "http://events.example"}, false, nil},
		"own, TLS":            {[]string{"Origin", "https://events.example"}, true, nil},
		"own, TLS of a proxy": {[]string{"Origin", "https://events.example", "Sec-Fetch-Site", "same-origin"}, false, nil},
		"own, nobody says so": {[]string{"Origin", "https://events.example"}, false, auth.ErrOrigin},
		"own, of a sibling":   {[]string{"Origin", "https://events.example", "Sec-Fetch-Site", "same-site"}, false, auth.ErrOrigin},
		"own, downgraded":     {[]string{"Origin", "http://events.example"}, true, auth.ErrOrigin},
		"own, other port":     {[]string{"Origin", "http://events.example:81"}, false, auth.ErrOrigin},
		"foreign":             {[]string{"Origin", "https://evil.example"}, false, auth.ErrOrigin},
		"foreign, says same":  {[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "same-origin"}, false, auth.ErrOrigin},
		"longer":              {[]string{"Origin", "https://app.example.evil.example"}, false, auth.ErrOrigin},
		"shorter":             {[]string{"Origin", "https://app.exampl"}, false, auth.ErrOrigin},
		"other case":          {[]string{"Origin", "https://App.example"}, false, auth.ErrOrigin},
		"slash":               {[]string{"Origin", "https://app.example/"}, false, auth.ErrOrigin},
		"plain":               {[]string{"Origin", "http://app.example"}, false, auth.ErrOrigin},
		"with port":           {[]string{"Origin", "https://app.example:443"}, false, auth.ErrOrigin},
		"null":                {[]string{"Origin", "null"}, false, auth.ErrOrigin},
		"empty":               {[]string{"Origin", ""}, false, auth.ErrOrigin},
		"two":                 {[]string{"Origin", "https://app.example", "Origin", "https://app.example"}, false, auth.ErrOrigin},
		"list":                {[]string{"Origin", "https://app.example https://evil.example"}, false, auth.ErrOrigin},
		"same-origin":         {[]string{"Sec-Fetch-Site", "same-origin"}, false, nil},
		"typed in":            {[]string{"Sec-Fetch-Site", "none"}, false, nil},
		"same-site":           {[]string{"Sec-Fetch-Site", "same-site"}, false, auth.ErrOrigin},
		"cross-site":          {[]string{"Sec-Fetch-Site", "cross-site"}, false, auth.ErrOrigin},
		"says two things":     {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, false, auth.ErrOrigin},
		"nothing is said":     {nil, false, auth.ErrOrigin},
		"referer":             {[]string{"Referer", "https://app.example/"}, false, auth.ErrOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			for _, by := range []func(*http.Request) (auth.Principal, error){w.Reader, w.TicketHolder} {
				r := get(t, "/events", append(c.header, cookie...)...)
				if c.tls {
					r.TLS = &tls.ConnectionState{}
				}
				p, err := by(r)
				requireOnly(t, c.want, err)
				if c.want == nil {
					require.Equal(t, "user:alice", p.User.String())
				} else {
					require.ErrorIs(t, err, auth.ErrOrigin)
					require.ErrorContains(t, err, "cors.origins")
				}
			}
			_, err := w.Publisher(requestOf(t, http.MethodPost, "/events", append(c.header, cookie...)...))
			requireOnly(t, auth.ErrNoToken, err)
		})
	}
}

func TestCookieItself(t *testing.T) {
	cfg := simple()
	cfg.Cookie = "session"
	w := newWorld(t, cfg)
	token := w.token(t, nil)
	for name, c := range map[string]struct {
		header []string
		want   error
	}{
		"none":         {nil, auth.ErrNoToken},
		"other":        {[]string{"Cookie", "Session=" + token}, auth.ErrNoToken},
		"empty":        {[]string{"Cookie", "session="}, auth.ErrNoToken},
		"good":         {[]string{"Cookie", "session=" + token}, nil},
		"twice":        {[]string{"Cookie", "session=" + token + "; session=" + token}, auth.ErrInvalidToken},
		"two lines":    {[]string{"Cookie", "session=" + token, "Cookie", "session=x"}, auth.ErrInvalidToken},
		"rubbish":      {[]string{"Cookie", "session=x"}, auth.ErrInvalidToken},
		"key":          {[]string{"Cookie", "session=" + keyText}, auth.ErrInvalidToken},
		"expired":      {[]string{"Cookie", "session=" + w.token(t, map[string]any{"exp": 7})}, auth.ErrExpired},
		"wrong header": {append([]string{"Cookie", "session=" + token}, bearer("x")...), auth.ErrInvalidToken},
		"empty header": {[]string{"Cookie", "session=" + token, "Authorization", ""}, auth.ErrInvalidToken},
	} {
		_, err := w.Reader(get(t, "/events", append(c.header, "Sec-Fetch-Site", "same-origin")...))
		require.ErrorIs(t, err, c.want, name)
		requireOnly(t, c.want, err)
	}
	_, err := w.Reader(get(t, "/events?ticket=", "Cookie", "session="+token, "Sec-Fetch-Site", "same-origin"))
	requireOnly(t, auth.ErrTicket, err)
	_, err = w.Reader(get(t, "/events", "Sec-Fetch-Site", "cross-site", "Cookie", "a=b"))
	requireOnly(t, auth.ErrNoToken, err)

	off := newWorld(t, simple())
	require.False(t, off.Credentials())
	_, err = off.Reader(get(t, "/events", "Cookie", "session="+token+"; =x", "Sec-Fetch-Site", "same-origin"))
	requireOnly(t, auth.ErrNoToken, err)
}

func TestAllowsConfiguredOrigins(t *testing.T) {
	cfg := simple()
	cfg.Origins = []string{"https://app.example"}
	w := newWorld(t, cfg)
	require.True(t, w.AllowsOrigin("https://app.example"))
	for _, origin := range []string{"", "null", "*", "https://app.example/", "HTTPS://app.example", "http://localhost", "https://app.example:443", "https://evil.example"} {
		require.False(t, w.AllowsOrigin(origin), origin)
	}
	require.False(t, newWorld(t, simple()).AllowsOrigin(""))
}

// Of two credentials the header's counts, and the ticket is left for later.
func TestHeaderBeforeTicketBeforeCookie(t *testing.T) {
	cfg := simple()
	cfg.Cookie = "session"
	w := newWorld(t, cfg)
	bob, err := w.Verify(t.Context(), w.token(t, map[string]any{"sub": "bob"}))
	require.NoError(t, err)
	id, age, err := w.Ticket(t.Context(), bob)
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, age)
	all := append(bearer(w.token(t, nil)), "Cookie", "session="+w.token(t, map[string]any{"sub": "carol"}), "Sec-Fetch-Site", "same-origin")
	p, err := w.Reader(get(t, "/events?ticket="+id, all...))
	require.NoError(t, err)
	require.Equal(t, "user:alice", p.User.String())
	p, err = w.Reader(get(t, "/events?ticket="+id, all[2:]...))
	require.NoError(t, err)
	require.Equal(t, "user:bob", p.User.String())
	_, err = w.Reader(get(t, "/events?ticket="+id, all[2:]...))
	requireOnly(t, auth.ErrTicket, err)
	p, err = w.Reader(get(t, "/events", all[2:]...))
	require.NoError(t, err)
	require.Equal(t, "user:carol", p.User.String())
}
