package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/event"
)

func request(t *testing.T, target, host string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestPrincipalIsWhoItSays(t *testing.T) {
	p, err := auth.Development{}.Authenticate(request(t, "/events?user=alice&session=tab-1", "localhost:8080"))
	require.NoError(t, err)
	require.Equal(t, event.DefaultTenant(), p.Tenant)
	require.Equal(t, "user:alice", p.User.String())
	require.Equal(t, "session:tab-1", p.Session.String())

	p, err = auth.Development{}.Authenticate(request(t, "/events?user=&session=", "localhost"))
	require.NoError(t, err)
	require.Equal(t, auth.Principal{Tenant: event.DefaultTenant()}, p)

	for _, query := range []string{"user=a%20b", "user=*", "session=%00", "user=alice&session={}"} {
		_, err = auth.Development{}.Authenticate(request(t, "/events?"+query, "localhost"))
		require.ErrorIs(t, err, event.ErrInvalid, query)
		require.NotErrorIs(t, err, auth.ErrForbidden)
	}
}

func TestDevelopmentIsForThisMachine(t *testing.T) {
	d := auth.Development{Origins: []string{"https://app.example"}}
	insecure := auth.Development{Insecure: true}
	for name, c := range map[string]struct {
		host   string
		header []string
		ok     bool
	}{
		"name":              {"localhost", nil, true},
		"name, port":        {"LocalHost:8080", nil, true},
		"IPv4":              {"127.0.0.1:8080", nil, true},
		"other loopback":    {"127.8.9.10", nil, true},
		"IPv6":              {"[::1]:8080", nil, true},
		"IPv6 alone":        {"[::1]", nil, true},
		"IPv4 in IPv6":      {"[::ffff:127.0.0.1]:8080", nil, true},
		"no host":           {"", nil, false},
		"all addresses":     {"0.0.0.0:8080", nil, false},
		"private":           {"192.168.1.10:8080", nil, false},
		"foreign":           {"rebound.example", nil, false},
		"foreign below":     {"localhost.example", nil, false},
		"foreign above":     {"evil.localhost", nil, false},
		"number":            {"2130706433", nil, false},
		"own origin":        {"localhost:8080", []string{"Origin", "http://localhost:8080"}, true},
		"local origin":      {"localhost:8080", []string{"Origin", "http://127.0.0.1:3000"}, true},
		"configured origin": {"localhost:8080", []string{"Origin", "https://app.example"}, true},
		"foreign origin":    {"localhost:8080", []string{"Origin", "https://evil.example"}, false},
		"longer origin":     {"localhost:8080", []string{"Origin", "https://app.example.evil.example"}, false},
		"opaque origin":     {"localhost:8080", []string{"Origin", "null"}, false},
		"proxy":             {"localhost:8080", []string{"X-Forwarded-For", "127.0.0.1"}, false},
		"proxy, emptied":    {"localhost:8080", []string{"X-Forwarded-For", "", "X-Forwarded-For", "192.0.2.1"}, false},
		"proxy's host":      {"localhost:8080", []string{"X-Forwarded-Host", "a.example"}, false},
		"proxy's scheme":    {"localhost:8080", []string{"X-Forwarded-Proto", "https"}, false},
		"standard proxy":    {"localhost:8080", []string{"Forwarded", "for=192.0.2.1"}, false},
		"nginx":             {"localhost:8080", []string{"X-Real-IP", "192.0.2.1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Authenticate(request(t, "/events", c.host, c.header...))
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, auth.ErrForbidden)
			}
			_, err = insecure.Authenticate(request(t, "/events", c.host, c.header...))
			require.NoError(t, err)
		})
	}
}

func TestRefusalSaysWhatWouldHelp(t *testing.T) {
	for setting, r := range map[string]*http.Request{
		"insecure_dev": request(t, "/events", "events.example"),
		"cors.origins": request(t, "/events", "localhost", "Origin", "https://app.example"),
		"X-Real-Ip":    request(t, "/events", "localhost", "X-Real-IP", "192.0.2.1"),
	} {
		_, err := auth.Development{}.Authenticate(r)
		require.ErrorContains(t, err, setting)
	}
	_, err := auth.Development{}.Authenticate(request(t, "/events", "evil\r\nx: y"))
	require.ErrorIs(t, err, auth.ErrForbidden)
	require.NotContains(t, err.Error(), "\n", "foreign text is quoted")
}

func TestAllowsOrigin(t *testing.T) {
	require.True(t, auth.Development{Insecure: true}.AllowsOrigin("https://anything.example"))
	require.False(t, auth.Development{}.AllowsOrigin("https://app.example"))
	require.False(t, auth.Development{}.AllowsOrigin(""))
	require.False(t, auth.Development{}.AllowsOrigin("localhost"))
	require.False(t, auth.Development{}.AllowsOrigin("ftp://localhost"))
	require.False(t, auth.Development{}.AllowsOrigin("http://%zz"))
	require.True(t, auth.Development{}.AllowsOrigin("https://localhost:8443"))
}

// In development mode all may do everything, and clients need not know that: tickets are there too.
func TestDevelopmentGrantsEverything(t *testing.T) {
	store := newStore(t)
	d := auth.NewDevelopment(false, []string{"https://app.example"}, store)
	require.True(t, d.AllowsOrigin("https://app.example"))
	require.False(t, d.Credentials())
	r := request(t, "/events?user=alice&session=tab", "localhost")
	for _, by := range []func(*http.Request) (auth.Principal, error){d.Reader, d.Publisher, d.TicketHolder} {
		p, err := by(r)
		require.NoError(t, err)
		require.True(t, p.MayRead(target(t, "topic:any")))
		require.True(t, p.MayRead(target(t, "user:alice")))
		require.False(t, p.MayRead(target(t, "user:bob")))
		for _, name := range []string{"all", "user:bob", "topic:any"} {
			require.True(t, p.MayPublish(target(t, name)))
		}
		_, err = by(request(t, "/events", "events.example"))
		require.ErrorIs(t, err, auth.ErrForbidden)
		_, err = by(request(t, "/events?user=*", "localhost"))
		require.ErrorIs(t, err, event.ErrInvalid)
	}
	p, err := d.TicketHolder(r)
	require.NoError(t, err)
	id, age, err := d.Ticket(t.Context(), p)
	require.NoError(t, err)
	require.Positive(t, age)
	_, err = d.Reader(request(t, "/events?ticket="+id, "events.example"))
	require.ErrorIs(t, err, auth.ErrForbidden, "and the ticket is kept")
	q, err := d.Reader(request(t, "/events?user=bob&ticket="+id, "localhost"))
	require.NoError(t, err)
	require.Equal(t, p, q)
	_, err = d.Reader(request(t, "/events?ticket="+id, "localhost"))
	require.ErrorIs(t, err, auth.ErrTicket)
	_, err = d.Verify(t.Context(), "x")
	require.ErrorIs(t, err, auth.ErrInvalidToken)
}

func TestDevelopmentRefusesNobody(t *testing.T) {
	d := auth.NewDevelopment(false, nil, newStore(t))
	p, err := d.Reader(request(t, "/events?user=alice", "localhost"))
	require.NoError(t, err)
	d.Refusals().Add(auth.Refusal{Tenant: p.Tenant, Target: p.User, Before: time.Now(), Until: time.Now().Add(time.Hour)})
	require.True(t, d.Refusals().Refused(p))
	require.False(t, d.Refused(p), "she could not get a token that is newer")
	_, err = d.Reader(request(t, "/events?user=alice", "localhost"))
	require.NoError(t, err)
}
