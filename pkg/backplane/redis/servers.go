package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout = time.Second
	ioTimeout   = 2 * time.Second
	poolSize    = 16
	// reloadInterval is how often the map of a cluster's slots is read. With the library's own minute, publishing came back
	// a minute after a master was killed.
	reloadInterval = time.Second
)

// servers are the Redis servers of a deployment, of whichever kind.
type servers struct {
	// commands executes commands on whichever server has their key.
	commands goredis.UniversalClient
	// sharded says that channels belong to slots, as keys do.
	sharded bool
	// primary returns what reaches the server that has a key now. It asks afresh.
	primary func(ctx context.Context, key string) (*goredis.Options, error)
	// reload finds out which server has which keys, where a client does not always know.
	reload func(ctx context.Context) error
	// onPrimary returns a client of the server that has a key, as far as is known.
	onPrimary func(ctx context.Context, key string) (*goredis.Client, error)
	// each does something on every primary.
	each func(ctx context.Context, do func(ctx context.Context, c *goredis.Client) error) error
}

const (
	sentinelSuffix = "+sentinel"
	clusterSuffix  = "+cluster"
)

// CheckURL says what is wrong with the URL of a deployment; nil for nothing. The forms are
//
//	redis://[USER:PASSWORD@]HOST:PORT[/DATABASE]
//	redis+sentinel://[USER:PASSWORD@]HOST:PORT[/DATABASE]?master_name=NAME[&addr=HOST:PORT...]
//	redis+cluster://[USER:PASSWORD@]HOST:PORT[?addr=HOST:PORT...]
//
// and the same with rediss for TLS. More addresses of sentinels, or of the cluster's nodes, follow as addr. The error has
// nothing of the URL's credentials.
func CheckURL(text string) error {
	_, err := parseURL(text)
	return err
}

// address says where the servers are: one of its fields is set.
type address struct {
	standalone *goredis.Options
	sentinel   *goredis.FailoverOptions
	cluster    *goredis.ClusterOptions
}

func parseURL(text string) (a address, err error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return a, errors.New("it is not like redis://127.0.0.1:6379, redis+sentinel:// or redis+cluster://")
	}
	plainScheme := strings.TrimSuffix(strings.TrimSuffix(scheme, sentinelSuffix), clusterSuffix)
	if plainScheme != "redis" && plainScheme != "rediss" {
		return a, fmt.Errorf("scheme %q is not redis or rediss, with or without %s or %s", scheme, sentinelSuffix, clusterSuffix)
	}
	switch plainURL := plainScheme + "://" + rest; {
	case strings.HasSuffix(scheme, sentinelSuffix):
		a.sentinel, err = goredis.ParseFailoverURL(plainURL)
		if err == nil && a.sentinel.MasterName == "" {
			err = errors.New("master_name is missing: add ?master_name=NAME, the name that the sentinels know")
		}
	case strings.HasSuffix(scheme, clusterSuffix):
		a.cluster, err = goredis.ParseClusterURL(plainURL)
	default:
		a.standalone, err = goredis.ParseURL(plainURL)
	}
	return a, withoutURL(err)
}

// newServers connects to nothing.
func newServers(config Config) (*servers, error) {
	a, err := parseURL(config.URL)
	switch {
	case err != nil:
		return nil, err
	case a.sentinel != nil:
		return sentinel(a.sentinel, config), nil
	case a.cluster != nil:
		return cluster(a.cluster, config), nil
	default:
		return standalone(a.standalone, config), nil
	}
}

// withoutURL drops what net/url quotes, which may hold a password.
func withoutURL(err error) error {
	if broken := (*url.Error)(nil); errors.As(err, &broken) {
		return broken.Err
	}
	return err
}

func standalone(options *goredis.Options, config Config) *servers {
	tune(options)
	options.Dialer = config.Dial
	client := goredis.NewClient(options)
	return &servers{
		commands:  client,
		primary:   func(context.Context, string) (*goredis.Options, error) { return copyOf(client.Options(), config), nil },
		reload:    known,
		onPrimary: func(context.Context, string) (*goredis.Client, error) { return client, nil },
		each:      eachOne(client),
	}
}

func sentinel(options *goredis.FailoverOptions, config Config) *servers {
	options.Protocol, options.MaxRetries, options.DialerRetries = 2, -1, 1
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	options.PoolSize = poolSize
	options.Dialer = config.Dial
	client := goredis.NewFailoverClient(options)
	return &servers{
		commands: client,
		primary: func(ctx context.Context, _ string) (*goredis.Options, error) {
			address, err := askSentinels(ctx, options)
			if err != nil {
				return nil, err
			}
			found := copyOf(client.Options(), config)
			found.Addr = address
			return found, nil
		},
		reload:    known,
		onPrimary: func(context.Context, string) (*goredis.Client, error) { return client, nil },
		each:      eachOne(client),
	}
}

// askSentinels returns the address of the primary, from the first sentinel that answers. They are asked in any order: one
// that is cut off from the others may not know of a failover.
func askSentinels(ctx context.Context, options *goredis.FailoverOptions) (string, error) {
	var errs []error
	for _, i := range rand.Perm(len(options.SentinelAddrs)) {
		address, err := askSentinel(ctx, options, options.SentinelAddrs[i])
		if err == nil {
			return address, nil
		}
		errs = append(errs, fmt.Errorf("ask sentinel %s: %w", options.SentinelAddrs[i], err))
	}
	return "", errors.Join(errs...)
}

func askSentinel(ctx context.Context, options *goredis.FailoverOptions, address string) (string, error) {
	asked := &goredis.Options{
		Addr: address, Username: options.SentinelUsername, Password: options.SentinelPassword,
		TLSConfig: options.TLSConfig, Dialer: options.Dialer, PoolSize: 1,
	}
	tune(asked)
	client := goredis.NewSentinelClient(asked)
	defer client.Close() //nolint:errcheck // nothing is lost with it
	found, err := client.GetMasterAddrByName(ctx, options.MasterName).Result()
	if err != nil {
		return "", err
	}
	if len(found) != 2 {
		return "", fmt.Errorf("%d words are no address", len(found))
	}
	return net.JoinHostPort(found[0], found[1]), nil
}

func cluster(options *goredis.ClusterOptions, config Config) *servers {
	options.Protocol, options.MaxRetries, options.DialerRetries = 2, -1, 1
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	options.PoolSize = poolSize
	options.ClusterStateReloadInterval = reloadInterval
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.Dialer = config.Dial
	client := goredis.NewClusterClient(options)
	slots := &slots{client: client, turn: make(chan struct{}, 1)}
	return &servers{
		commands: client,
		sharded:  true,
		primary: func(ctx context.Context, key string) (*goredis.Options, error) {
			if err := slots.reload(ctx); err != nil {
				return nil, err
			}
			found, err := client.MasterForKey(ctx, key)
			if err != nil {
				return nil, err
			}
			return copyOf(found.Options(), config), nil
		},
		reload:    slots.reload,
		onPrimary: client.MasterForKey,
		each:      client.ForEachMaster,
	}
}

// slots reads the map of a cluster's slots: once for all who ask at the same time.
type slots struct {
	client *goredis.ClusterClient
	turn   chan struct{} // takes the token of who reads
	began  time.Time     // the last reading that came to an end; for who has the turn
}

// reload returns when the map is known as it was after the call, or later.
func (s *slots) reload(ctx context.Context) error {
	asked := time.Now()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("read the cluster's slots: %w", ctx.Err())
	}
	if s.began.After(asked) {
		return nil
	}
	began := time.Now()
	// The only way to have the client read it now.
	if err := s.client.ForEachMaster(ctx, func(context.Context, *goredis.Client) error { return nil }); err != nil {
		return fmt.Errorf("read the cluster's slots: %w", err)
	}
	s.began = began
	return nil
}

// known is for clients that know where to connect, or ask each time.
func known(context.Context) error { return nil }

// tune sets what holds for every connection to one server: retries are the engine's own, and every call ends in time.
func tune(o *goredis.Options) {
	o.Protocol, o.MaxRetries, o.DialerRetries = 2, -1, 1 // a push of RESP3 has frozen subscribers before
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	if o.PoolSize == 0 {
		o.PoolSize = poolSize
	}
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// copyOf returns options for another client of the same server.
func copyOf(o *goredis.Options, config Config) *goredis.Options {
	made := &goredis.Options{
		Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, Dialer: config.Dial,
	}
	tune(made)
	return made
}

func eachOne(client *goredis.Client) func(context.Context, func(context.Context, *goredis.Client) error) error {
	return func(ctx context.Context, do func(context.Context, *goredis.Client) error) error {
		return do(ctx, client)
	}
}
