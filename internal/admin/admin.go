package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
	"github.com/pushstream/pushstream/pkg/store"
)

const (
	// patience is how long nodes have to answer.
	patience = 2 * time.Second
	// mostListed is the most connections that one node describes.
	mostListed = 100
	// mostAnswers is how many answers of this node may wait to be sent. More are dropped, and whoever asked is told that
	// the answer is not complete.
	mostAnswers = 64
)

// broker is what this node's connections are asked of.
type broker interface {
	List(log event.LogName, most int, done func(infos []store.Info, total int))
	End(log event.LogName, match func(store.Info) bool, reason store.Reason, done func(ended int))
}

// logs is the backplane, as far as it is read here.
type logs interface {
	Head(ctx context.Context, partition backplane.Partition) (event.Position, error)
	Replay(ctx context.Context, queries []backplane.Query) ([]backplane.Page, error)
}

// Config says what an Admin works with.
type Config struct {
	// Self describes this node, when asked.
	Self func() Node
	// Partitions is the backplane's number of them.
	Partitions int
	// Broker has this node's connections.
	Broker broker
	// Logs has the logs.
	Logs logs
	// Signals reaches all nodes.
	Signals backplane.Signals
	// Refusals are what this node's authentication looks at.
	Refusals *auth.Refusals
}

// Admin administers all nodes from this one.
type Admin struct {
	cfg     Config
	log     *slog.Logger
	self    string // by which answers of this process are known
	answers chan answer

	mu      sync.Mutex
	waiting map[string]chan answer // by question
}

// New returns an Admin. It starts nothing.
func New(cfg Config, log *slog.Logger) *Admin {
	return &Admin{cfg: cfg, log: log, self: rand.Text(), answers: make(chan answer, mostAnswers), waiting: make(map[string]chan answer)}
}

// Run answers other nodes until ctx ends.
func (a *Admin) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case given := <-a.answers:
			if err := a.reply(ctx, given); err != nil {
				a.log.WarnContext(ctx, "a question of another node is not answered", slog.Any("error", err))
			}
		}
	}
}

// reply sends an answer to every node: the one that asked knows it.
func (a *Admin) reply(ctx context.Context, given answer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := encode(message{Answer: &given})
	if err != nil {
		return err
	}
	_, err = a.cfg.Signals.Send(ctx, 0, body, 0)
	return err
}

// Signal takes a signal. It never blocks. What it cannot read is logged and dropped: it comes from whoever may write to the
// backplane.
func (a *Admin) Signal(body []byte) {
	var m message
	err := json.Unmarshal(body, &m)
	switch {
	case err != nil:
	case m.Refuse != nil:
		err = a.refused(*m.Refuse)
	case m.Ask != nil:
		err = a.asked(*m.Ask)
	case m.Answer != nil:
		a.answered(*m.Answer)
	}
	if err != nil {
		a.log.Warn("a signal cannot be read", slog.Any("error", err))
	}
}

// refused notes a refusal, and ends the streams that it concerns.
func (a *Admin) refused(r rule) error {
	refusal, err := r.parse()
	if err != nil {
		return err
	}
	a.refuse(refusal, func(int) {})
	return nil
}

func (a *Admin) refuse(r auth.Refusal, done func(ended int)) {
	// First: who comes behind the search for streams is refused. What was known already was searched for then; a relay that
	// comes back brings all refusals again, and each search looks at every stream.
	if !a.cfg.Refusals.Add(r) {
		done(0)
		return
	}
	log := event.LogName{Tenant: r.Tenant, Target: r.Target}
	if r.Target.IsZero() {
		log = event.LogName{}
	}
	a.cfg.Broker.End(log, func(i store.Info) bool {
		return i.Logs[0].Tenant == r.Tenant && (r.Concerns(i.Credential.Token, i.Credential.Issued) || !r.Target.IsZero() && !i.Opened.After(r.Before))
	}, store.ReasonRevoked, done)
}

// asked answers a question once the store has.
func (a *Admin) asked(q ask) error {
	switch {
	case q.End != nil:
		return a.askedToEnd(q)
	case q.Connections != nil:
		log, err := q.Connections.parse()
		if err != nil {
			return err
		}
		a.cfg.Broker.List(log, mostListed, func(infos []store.Info, total int) {
			a.tell(answer{ID: q.ID, Connections: connectionsOf(a.cfg.Self().Name, infos), Total: total})
		})
	default:
		self := a.cfg.Self()
		a.tell(answer{ID: q.ID, Node: &self})
	}
	return nil
}

func (a *Admin) askedToEnd(q ask) error {
	done := func(ended int) { a.tell(answer{ID: q.ID, Total: ended}) }
	switch {
	case q.End.Refuse != nil:
		refusal, err := q.End.Refuse.parse()
		if err != nil {
			return err
		}
		a.refuse(refusal, done)
	case q.End.Reader != nil:
		log, err := q.End.Reader.parse()
		if err != nil {
			return err
		}
		a.cfg.Broker.End(log, func(store.Info) bool { return true }, store.ReasonEnded, done)
	default:
		a.cfg.Broker.End(event.LogName{}, func(i store.Info) bool {
			return i.ID == q.End.Connection && i.Logs[0].Tenant.String() == q.End.Tenant
		}, store.ReasonEnded, done)
	}
	return nil
}

// tell has Run send an answer.
func (a *Admin) tell(given answer) {
	given.By = a.self
	select {
	case a.answers <- given:
	default:
		a.log.Warn("a question of another node is not answered: too many wait")
	}
}

// answered hands an answer to whoever waits for it here.
func (a *Admin) answered(given answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait, asked := a.waiting[given.ID]; asked {
		select {
		case wait <- given:
		default: // more answers than nodes: of no use
		}
	}
}

// mostNodes is the most nodes whose answers are waited for.
const mostNodes = 1000

// ask asks all nodes, and returns the first answer of each: a signal may come twice. complete says that every node that got
// the question has answered.
func (a *Admin) ask(ctx context.Context, tenant event.Tenant, q ask) (answers []answer, complete bool, err error) {
	q.ID = rand.Text()
	body, err := encode(message{Ask: &q})
	if err != nil {
		return nil, false, err
	}
	wait := make(chan answer, mostNodes)
	a.mu.Lock()
	a.waiting[q.ID] = wait
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, q.ID)
	}()
	nodes, err := a.cfg.Signals.Send(ctx, backplane.PartitionOf(tenant, a.cfg.Partitions), body, 0)
	if err != nil {
		return nil, false, fmt.Errorf("ask all nodes: %w", err)
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	by := make(map[string]bool)
	for len(answers) < nodes {
		select {
		case given := <-wait:
			if !by[given.By] {
				by[given.By] = true
				answers = append(answers, given)
			}
		case <-enough.C:
			return answers, false, nil
		case <-ctx.Done():
			return nil, false, fmt.Errorf("wait for all nodes: %w", ctx.Err())
		}
	}
	return answers, true, nil
}
