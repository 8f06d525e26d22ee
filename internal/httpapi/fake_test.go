package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/broker"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

// fakeCore is a broker that fails.
type fakeCore struct {
	err     error // of Publish and Subscribe
	ready   error
	publish func(context.Context) error // takes the place of err
}

func (f fakeCore) Publish(ctx context.Context, publications []backplane.Publication) []backplane.Result {
	results := make([]backplane.Result, len(publications))
	for i := range results {
		if results[i].Err = f.err; f.publish != nil {
			results[i].Err = f.publish(ctx)
		}
		for range publications[i].Targets {
			p, err := event.NewPosition("test", 1, 0)
			if err != nil {
				panic(err)
			}
			results[i].Positions = append(results[i].Positions, p)
		}
	}
	return results
}

func (f fakeCore) Subscribe(context.Context, broker.Request) (*broker.Subscription, error) {
	return nil, f.err
}

func (f fakeCore) End(event.LogName, func(store.Info) bool, store.Reason, func(int)) {}

func (f fakeCore) Ready() error { return f.ready }

// noMetrics counts nothing.
type noMetrics struct{}

func (noMetrics) ConnectionOpened()       {}
func (noMetrics) ConnectionClosed(string) {}
func (noMetrics) Refused(string)          {}
func (noMetrics) TicketRefused(string)    {}
func (noMetrics) PublishRefused(string)   {}

// refuser is an authenticator that lets nobody in.
type refuser struct{ err error }

func (r refuser) Reader(*http.Request) (auth.Principal, error) { return auth.Principal{}, r.err }

func (r refuser) Publisher(*http.Request) (auth.Principal, error) { return auth.Principal{}, r.err }

func (r refuser) TicketHolder(*http.Request) (auth.Principal, error) { return auth.Principal{}, r.err }

func (r refuser) Ticket(context.Context, auth.Principal) (string, time.Duration, error) {
	return "", 0, r.err
}
func (r refuser) Refused(auth.Principal) bool { return false }
func (r refuser) AllowsOrigin(string) bool    { return false }
func (r refuser) Credentials() bool           { return false }

// development is the authenticator of most tests.
func development() auth.Development { return auth.NewDevelopment(false, nil, nil) }

// newAPI returns an API on a fake broker.
func newAPI(cfg httpapi.Config, core fakeCore) *httpapi.API {
	return httpapi.New(cfg, core, development(), httpapi.NewHealth(core), slog.New(slog.DiscardHandler), noMetrics{})
}
