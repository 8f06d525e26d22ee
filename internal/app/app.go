package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pushstream/pushstream/internal/admin"
	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/internal/httpapi"
	"github.com/pushstream/pushstream/internal/metrics"
	"github.com/pushstream/pushstream/pkg/broker"
)

const (
	// headerTimeout bounds a client that sends its request byte by byte (slowloris).
	headerTimeout = 10 * time.Second
	// idleTimeout is how long a connection may wait for its next request.
	idleTimeout = 2 * time.Minute
	// reservedFiles are open files that are no connections of the public listener: listeners, connections to Redis.
	reservedFiles = 100
	// subscribeTimeout is how long joining a reader's logs may take.
	subscribeTimeout = 5 * time.Second
)

// App is one node.
type App struct {
	cfg     config.Config
	log     *slog.Logger
	engine  engine
	broker  *broker.Broker
	health  *httpapi.Health
	api     *httpapi.API
	public  *http.Server
	admin   *http.Server
	sockets *sockets

	publicAddress string
	adminAddress  string

	running lifecycle
	failed  chan error    // what ended by itself
	asked   chan struct{} // closed when an administrator asks for a drain
	asking  sync.Once
	started time.Time
	admins  *admin.Admin
	gate    gate
}

// New wires a node. It starts nothing and holds nothing that must be closed.
func New(cfg config.Config, log *slog.Logger) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check configuration: %w", err)
	}
	m, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	e, err := newEngine(cfg, log, m)
	if err != nil {
		return nil, err
	}
	b, err := broker.New(brokerConfig(cfg), e, e.partitions, log, m)
	if err != nil {
		return nil, fmt.Errorf("make broker: %w", err)
	}
	a := &App{started: time.Now(), cfg: cfg, log: log, engine: e, broker: b, health: httpapi.NewHealth(readiness{b, e}), failed: make(chan error, 4), asked: make(chan struct{})}
	a.gate, err = newGate(cfg, e, log)
	if err != nil {
		return nil, err
	}
	a.admins = admin.New(admin.Config{
		Self: a.self, Partitions: e.partitions, Broker: b, Logs: e, Signals: e, Refusals: a.gate.refusals,
	}, log)
	b.OnSignal(a.admins.Signal)
	a.api = httpapi.New(apiConfig(cfg), b, a.gate, a.health, log, m)
	a.public = a.server(a.api.Handler())
	a.sockets = newSockets(cfg.Limits.Connections+cfg.Limits.OtherConnections, m)
	a.sockets.watch(a.public)
	a.admin = a.server(httpapi.Admin(httpapi.AdminConfig{
		Token: string(cfg.AdminToken), Health: a.health, Metrics: m.Handler(), All: a.admins, Verify: a.gate.verify, Drain: a.askDrain,
	}, log))
	return a, nil
}

// gate is who says whom a request speaks for: with what the configuration says, or in development mode.
type gate struct {
	httpapi.Authenticator

	verify   func(ctx context.Context, token string) (auth.Principal, error)
	refusals *auth.Refusals
	close    func() // ends what goes on in the background
}

// newGate returns what the configuration asks for. It reads the files that hold keys.
func newGate(cfg config.Config, e engine, log *slog.Logger) (gate, error) {
	c := cfg.AuthConfig()
	if !c.Enabled() {
		d := auth.NewDevelopment(cfg.InsecureDev, cfg.CORS.Origins, e)
		return gate{d, d.Verify, d.Refusals(), func() {}}, nil
	}
	t, err := auth.New(c, e, log)
	if err != nil {
		return gate{}, fmt.Errorf("configure authentication: %w", err)
	}
	return gate{t, t.Verify, t.Refusals(), t.Close}, nil
}

func version() string {
	if info, known := debug.ReadBuildInfo(); known {
		return info.Main.Version
	}
	return "unknown"
}

// self describes this node to administrators.
func (a *App) self() admin.Node {
	n := admin.Node{Name: a.cfg.Node, Version: version(), Started: a.started.UTC(), Ready: true, Connections: a.broker.Connections()}
	if err := a.health.Ready(); err != nil {
		n.Ready, n.Reason = false, err.Error()
	}
	return n
}

// askDrain has Run drain the node and end.
func (a *App) askDrain() { a.asking.Do(func() { close(a.asked) }) }

func (a *App) server(h http.Handler) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    a.cfg.Limits.HeaderBytes,
		ErrorLog:          serverLog(a.log),
		Protocols:         new(http.Protocols),
		HTTP2:             http2Limits(),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true) // for proxies that speak it to their backends
	return s
}

// Address returns where the public listener listens, after Start.
func (a *App) Address() string { return a.publicAddress }

// AdminAddress returns where the admin listener listens, after Start; empty for none.
func (a *App) AdminAddress() string { return a.adminAddress }

// Run starts a node and stops it again: with a drain when drain is closed, at once when ctx ends (then also in the midst of
// a drain), and at once with an error when a part of it fails.
func Run(ctx context.Context, drain <-chan struct{}, cfg config.Config, log *slog.Logger) error {
	a, err := New(cfg, log)
	if err != nil {
		return err
	}
	if err = a.Start(ctx); err != nil {
		return err
	}
	select {
	case <-drain:
		log.InfoContext(ctx, "draining", slog.Int("connections", a.broker.Connections()))
		return a.Stop(ctx)
	case <-a.asked:
		log.InfoContext(ctx, "draining", slog.Int("connections", a.broker.Connections()))
		return a.Stop(ctx)
	case <-ctx.Done():
		log.InfoContext(ctx, "stopping at once", slog.Int("connections", a.broker.Connections()))
	case err = <-a.failed:
	}
	ended, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel()
	return errors.Join(err, a.Stop(ended))
}

// Start begins to serve. When it fails, nothing is left running.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		ended, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		return errors.Join(err, a.Stop(ended))
	}
	return nil
}

func (a *App) start(ctx context.Context) (err error) {
	if a.cfg.Admin != "" {
		if a.adminAddress, err = a.listen(ctx, "admin", "admin", a.cfg.Admin, a.admin); err != nil {
			return err
		}
	}
	a.running.add("backplane", func(context.Context) error { return a.engine.close() })
	a.running.add("authentication", func(context.Context) error { a.gate.close(); return nil })
	a.background(ctx, "sockets", func(ctx context.Context) { a.failWith(a.api.Run(ctx)) })
	a.running.add("streams", func(ctx context.Context) error { return ignoreEnded(a.api.Wait(ctx)) })
	a.background(ctx, "administration", a.admins.Run)
	a.background(ctx, "memory", func(ctx context.Context) { returnMemory(ctx, a.broker.Connections) })
	a.runBroker(ctx)
	if a.engine.ingest != nil {
		a.background(ctx, "ingest", func(ctx context.Context) { a.engine.ingest(ctx, a.broker.Publish) })
	}
	if a.publicAddress, err = a.listen(ctx, "public", "listen", a.cfg.Listen, a.public); err != nil {
		return err
	}
	a.running.add("readers", a.drain)
	a.warn()
	a.log.InfoContext(ctx, "listening", slog.String("url", "http://"+a.publicAddress), slog.String("admin", a.adminAddress),
		slog.String("node", a.cfg.Node), slog.String("backplane", a.engine.name), slog.Bool("development", !a.cfg.AuthConfig().Enabled()))
	return nil
}

// warn says what will go wrong later, and what to do.
func (a *App) warn() {
	if most, known := openFiles(); known && most < uint64(a.cfg.Limits.Connections+a.cfg.Limits.OtherConnections)+reservedFiles { //nolint:gosec // checked to be positive
		a.log.Warn("the limit of open files is too low for limits.connections: raise it (ulimit -n, LimitNOFILE) or lower the setting",
			slog.Uint64("open_files", most), slog.Int("connections", a.cfg.Limits.Connections))
	}
	if a.cfg.InsecureDev {
		a.log.Warn("insecure_dev is set: everybody who reaches this node can read and publish everything")
	}
}

// runBroker runs the broker until the lifecycle ends it.
func (a *App) runBroker(ctx context.Context) {
	a.background(ctx, "broker", func(ctx context.Context) { a.failWith(a.broker.Run(ctx)) })
}

// failWith ends the node with the error of a part, if there is one.
func (a *App) failWith(err error) {
	if err != nil {
		a.failed <- err
	}
}

// background does something until the lifecycle ends it.
func (a *App) background(ctx context.Context, name string, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { // joined by the closer below
		defer close(done)
		do(ctx)
	}()
	a.running.add(name, func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// bound returns a server's listener with the limit of its connections. The admin listener has none: it is nobody's but ours.
func (a *App) bound(l net.Listener, server *http.Server) net.Listener {
	if server == a.public {
		return a.sockets.limit(l)
	}
	return l
}

// listen serves on an address until the lifecycle ends it.
func (a *App) listen(ctx context.Context, name, setting, address string, server *http.Server) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("start %s listener: %w; the setting %s takes another address", name, err, setting)
	}
	done := make(chan struct{})
	go func() { // joined by the closer below
		defer close(done)
		if err := server.Serve(a.bound(l, server)); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serve %s listener: %w", name, err)
		}
	}()
	a.running.add(name+" listener", func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(server.Close(), ignoreEnded(err))
		}
		<-done
		return err
	})
	return l.Addr().String(), nil
}

// drain turns readers away: balancers first, then the streams.
func (a *App) drain(ctx context.Context) error {
	a.health.Drain()
	wait := time.NewTimer(a.cfg.Drain.Delay)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	return ignoreEnded(a.broker.Drain(ctx))
}

// Stop drains the node within Drain.Timeout and closes everything. When ctx ends first, it closes at once what is left.
func (a *App) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Drain.Timeout)
	defer cancel()
	err := a.running.unwind(ctx)
	if err != nil {
		return err
	}
	a.log.InfoContext(ctx, "stopped")
	return nil
}

// ignoreEnded drops the error of a context that ended: to be cut short is not a failure of stopping.
func ignoreEnded(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
