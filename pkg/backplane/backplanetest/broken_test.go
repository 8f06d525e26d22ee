package backplanetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/backplane/backplanetest"
	"github.com/pushstream/pushstream/pkg/event"
)

// defect is one way in which an engine can be wrong, and a case of the suite that has to notice.
type defect struct {
	name    string
	noticed string
	cause   func(h *backplanetest.Harness)
}

// defects returns what the suite is proved with.
func defects() []defect {
	return slices.Concat(relayDefects(), doubtDefects(), progressDefects(), publishDefects(), readDefects())
}

func relayDefects() []defect {
	return []defect{
		{"drops one event", "order/one publisher", onRelay(func() relay {
			n := 0
			return func(to backplane.Sink, e backplane.Entry) {
				if n++; n != 2 {
					to.Relay(e)
				}
			}
		})},
		{"passes one event on twice", "order/one publisher", onRelay(func() relay {
			n := 0
			return func(to backplane.Sink, e backplane.Entry) {
				to.Relay(e)
				if n++; n == 2 {
					to.Relay(e)
				}
			}
		})},
		{"reorders two events", "order/one publisher", onRelay(func() relay {
			n := 0
			var held backplane.Entry
			return func(to backplane.Sink, e backplane.Entry) {
				switch n++; n {
				case 2:
					held = e
				case 3:
					to.Relay(e)
					to.Relay(held)
				default:
					to.Relay(e)
				}
			}
		})},
		{"breaks the chain", "chain/an entry names the one before it", onRelay(func() relay {
			return func(to backplane.Sink, e backplane.Entry) {
				e.Prev = event.Position{}
				to.Relay(e)
			}
		})},
		{"passes on to a tenant of a like name", "tenants/names that look alike are different", onRelay(func() relay {
			return func(to backplane.Sink, e backplane.Entry) {
				to.Relay(e)
				if like, err := event.ParseTenant(strings.ToLower(e.Log.Tenant.String())); err == nil && like != e.Log.Tenant {
					e.Log.Tenant = like
					to.Relay(e)
				}
			}
		})},
		{"leaves for all who joined", "join/joins are counted", func(h *backplanetest.Harness) {
			h.Backplane = &deaf{Backplane: h.Backplane, onLeave: true}
		}},
		{"joins before it is confirmed", "join/every event after the returned head is passed on", func(h *backplanetest.Harness) {
			h.Backplane = &deaf{Backplane: h.Backplane, onJoin: true}
		}},
	}
}

func doubtDefects() []defect {
	return []defect{
		{"forgets a doubt", "doubt/there is a doubt before Run returns", onSink(func(to backplane.Sink) backplane.Sink {
			return sink{Sink: to, doubt: func(backplane.Partition, string) {}}
		})},
		{"doubts too late", "doubt/nothing is missing without a doubt, whatever happens when", onRelay(func() relay {
			n := 0
			return func(to backplane.Sink, e backplane.Entry) {
				switch n++; n % 10 {
				case 5:
				case 8:
					to.Relay(e)
					to.Doubt(0, "late")
					to.Vouched(0, e.Position)
				default:
					to.Relay(e)
				}
			}
		})},
		{"vouches for what was before", "doubt/Run begins in doubt, then vouches", onSink(func(to backplane.Sink) backplane.Sink {
			return sink{Sink: to, vouched: func(p backplane.Partition, head event.Position) { to.Vouched(p, later(head, time.Minute)) }}
		})},
		{"never vouches again", "doubt/the next Run begins in doubt", onSink(func() func(backplane.Sink) backplane.Sink {
			n := 0
			return func(to backplane.Sink) backplane.Sink {
				return sink{Sink: to, vouched: func(p backplane.Partition, head event.Position) {
					if n++; n == 1 {
						to.Vouched(p, head)
					}
				}}
			}
		}())},
		{"runs twice", "life/a second Run is refused and disturbs nothing", func(h *backplanetest.Harness) {
			engine := h.Backplane
			h.Backplane = &hooked{Backplane: engine, run: func(ctx context.Context, to backplane.Sink) error {
				if err := engine.Run(ctx, to); !errors.Is(err, backplane.ErrRunning) {
					return err
				}
				return nil
			}}
		}},
	}
}

func progressDefects() []defect {
	return []defect{
		{"progresses too early", "progress/everything up to it has been passed on", onSink(func(to backplane.Sink) backplane.Sink {
			return sink{Sink: to, progress: func(p backplane.Partition, at event.Position) { to.Progress(p, later(at, time.Second/2)) }}
		})},
		{"lets progress overtake an event", "progress/everything up to it has been passed on", onSink(func(to backplane.Sink) backplane.Sink {
			var held []backplane.Entry
			return sink{
				Sink: to,
				relay: func(e backplane.Entry) {
					if held = append(held, e); len(held) > 1 {
						to.Relay(held[0])
						held = held[1:]
					}
				},
				progress: func(p backplane.Partition, at event.Position) {
					to.Progress(p, at)
					for _, e := range held {
						to.Relay(e)
					}
					held = nil
				},
			}
		})},
		{"progresses while in doubt", "progress/never while in doubt", onSink(func(to backplane.Sink) backplane.Sink {
			var last event.Position
			return sink{
				Sink:     to,
				progress: func(p backplane.Partition, at event.Position) { last = at; to.Progress(p, at) },
				doubt:    func(p backplane.Partition, cause string) { to.Doubt(p, cause); to.Progress(p, last) },
			}
		})},
		{"stands still in silence", "progress/it keeps up without events", onSink(func(to backplane.Sink) backplane.Sink {
			var first event.Position
			return sink{Sink: to, progress: func(p backplane.Partition, at event.Position) {
				if first.IsZero() {
					first = at
				}
				to.Progress(p, first)
			}}
		})},
	}
}

func publishDefects() []defect {
	return []defect{
		{"forgets the key", "keys/a repeat returns the first position and stores nothing", onPublication(func(p *backplane.Publication) { p.Key = "" })},
		{"has one key for all targets", "keys/for each target", func(h *backplanetest.Harness) {
			known := make(map[string]event.Position)
			h.Backplane = onPublish(h.Backplane, func(publish publisher, ctx context.Context, p backplane.Publication) backplane.Result {
				if first, found := known[p.Key]; found && p.Key != "" {
					return backplane.Result{Positions: slices.Repeat([]event.Position{first}, len(p.Targets))}
				}
				r := publish(ctx, p)
				if len(r.Positions) > 0 {
					known[p.Key] = r.Positions[0]
				}
				return r
			})
		}},
		{"gives each target a position", "order/one position for all targets", func(h *backplanetest.Harness) {
			h.Backplane = onPublish(h.Backplane, func(publish publisher, ctx context.Context, p backplane.Publication) backplane.Result {
				var all backplane.Result
				for _, target := range p.Targets {
					p.Targets = []event.Target{target}
					r := publish(ctx, p)
					all.Positions, all.Err = append(all.Positions, r.Positions...), r.Err
				}
				return all
			})
		}},
		{"stores for the first target only", "results/an acknowledged event is in the log of every target", func(h *backplanetest.Harness) {
			h.Backplane = onPublish(h.Backplane, func(publish publisher, ctx context.Context, p backplane.Publication) backplane.Result {
				n := len(p.Targets)
				p.Targets = p.Targets[:1]
				r := publish(ctx, p)
				for r.Err == nil && !p.LiveOnly && len(r.Positions) < n {
					r.Positions = append(r.Positions, r.Positions[0])
				}
				return r
			})
		}},
		{"stores what is live only", "live only/passed on without a place, and not stored", onPublication(func(p *backplane.Publication) { p.LiveOnly = false })},
		{"confuses the results", "results/one for each publication, in their order", func(h *backplanetest.Harness) {
			engine := h.Backplane
			h.Backplane = &hooked{Backplane: engine, publish: func(ctx context.Context, all []backplane.Publication) []backplane.Result {
				results := engine.Publish(ctx, all)
				slices.Reverse(results)
				return results
			}}
		}},
	}
}

func readDefects() []defect {
	hides := func(reason event.GapReason) func(*backplanetest.Harness) {
		return onPage(func(_ *backplane.Query, page *backplane.Page) {
			if page.Gap == reason {
				page.Gap = event.GapNone
			}
		})
	}
	return []defect{
		{"hides that history was trimmed", "gaps/trimmed", hides(event.GapTrimmed)},
		{"hides that a page is followed by a trim", "gaps/trimmed between two pages", hides(event.GapTrimmed)},
		{"hides a trim beyond through", "gaps/trimmed, told by the entry beyond through", onPage(func(_ *backplane.Query, page *backplane.Page) {
			if len(page.Entries) == 0 {
				page.Gap = event.GapNone
			}
		})},
		{"hides that history has expired", "gaps/expired, the log is gone", hides(event.GapExpired)},
		{"hides that history was lost", "gaps/lost, by a restart", hides(event.GapLost)},
		{"takes everything for lost", "gaps/none at the head", onPage(func(_ *backplane.Query, page *backplane.Page) { page.Gap = event.GapLost })},
		{"ends a page and does not say so", "replay/pages end at their limit", onPage(func(_ *backplane.Query, page *backplane.Page) { page.Full = false })},
		{"reads beyond through", "replay/after and through", func(h *backplanetest.Harness) {
			engine := h.Backplane
			h.Backplane = &hooked{Backplane: engine, replay: func(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error) {
				queries = slices.Clone(queries)
				for i := range queries {
					queries[i].Through = later(queries[i].Through, time.Minute)
				}
				return engine.Replay(ctx, queries)
			}}
		}},
		{"has a head that lags", "head/it sees every Publish that returned", func(h *backplanetest.Harness) {
			var mu sync.Mutex
			var last event.Position
			engine := h.Backplane
			h.Backplane = &hooked{Backplane: engine, head: func(ctx context.Context, p backplane.Partition) (event.Position, error) {
				head, err := engine.Head(ctx, p)
				mu.Lock()
				defer mu.Unlock()
				if last.IsZero() {
					last = head
				}
				head, last = last, head
				return head, err
			}}
		}},
		{"lets a ticket be taken twice", "tickets/a value is taken once", func(h *backplanetest.Harness) {
			h.Tickets = reusable{h.Tickets}
		}},
		{"loses a signal", "signals/a Run gets what is sent", func(h *backplanetest.Harness) {
			h.Signals = &forgetful{Signals: h.Signals}
		}},
		{"does not keep signals", "signals/a Run that begins gets what is kept, before it is vouched for", func(h *backplanetest.Harness) {
			h.Signals = &forgetful{Signals: h.Signals, keeps: 1}
		}},
		{"tells kept signals too late", "signals/a Run that was interrupted gets what is kept, before it is vouched for", onSink(func(to backplane.Sink) backplane.Sink {
			return &tardy{Sink: to}
		})},
		{"keeps signals for ever", "signals/what is kept expires", func(h *backplanetest.Harness) {
			h.Signals = &forgetful{Signals: h.Signals, keeps: 1000}
		}},
		{"lets two take a ticket at once", "tickets/of many takers one gets it", func(h *backplanetest.Harness) {
			h.Tickets = reusable{h.Tickets}
		}},
	}
}

// later returns a position that is so much later.
func later(p event.Position, by time.Duration) event.Position {
	moved, err := event.NewPosition(p.Timeline(), p.Millis()+uint64(by.Milliseconds()), p.Seq())
	if err != nil {
		panic(err)
	}
	return moved
}
