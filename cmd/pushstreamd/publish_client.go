package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pushstream/pushstream/pkg/client"
)

const (
	// envClientURL and envClientToken stand in for flags. A node that is started with them does not mind.
	envClientURL   = "PUSHSTREAM_CLIENT_URL"
	envClientToken = "PUSHSTREAM_CLIENT_TOKEN"

	defaultURL = "http://localhost:8080"
)

// access is how a command reaches nodes.
type access struct {
	url, token, tokenFile string
}

func (a *access) register(flags *pflag.FlagSet) {
	flags.StringVar(&a.url, "url", "", "`URL` of a node or balancer, or several with commas: tried in turn ("+envClientURL+", default \""+defaultURL+"\")")
	a.registerToken(flags)
}

func (a *access) registerToken(flags *pflag.FlagSet) {
	flags.StringVar(&a.token, "token", "", "`token` or publisher's key; others on this machine may see it here ("+envClientToken+")")
	flags.StringVar(&a.tokenFile, "token-file", "", "`file` with the token; it is read again whenever one is needed")
}

// open returns a client that is configured like this, and has the node and the token of the flags.
func (a *access) open(p program, cfg client.Config) (*client.Client, error) {
	if err := a.fill(p, &cfg); err != nil {
		return nil, err
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	return c, nil
}

// fill puts the node and the token of the flags into a configuration.
func (a *access) fill(p program, cfg *client.Config) error {
	urls, token := a.url, a.token
	if urls == "" {
		urls = p.variable(envClientURL)
	}
	if urls == "" {
		urls = defaultURL
	}
	cfg.URLs = strings.Split(urls, ",")
	switch {
	case a.token != "" && a.tokenFile != "":
		return errors.New("--token and --token-file: give one of them")
	case a.tokenFile == "-":
		return errors.New("--token-file: standard input can be read only once; name a file")
	case a.tokenFile != "":
		if _, err := p.readToken(a.tokenFile); err != nil {
			return err
		}
		cfg.Credential = func(context.Context) (string, error) { return p.readToken(a.tokenFile) }
	default:
		if token == "" {
			token = p.variable(envClientToken)
		}
		cfg.Credential = client.FixedCredential(token)
	}
	return nil
}

// variable returns a variable of the environment.
func (p program) variable(name string) (value string) {
	for _, entry := range p.environ {
		if text, found := strings.CutPrefix(entry, name+"="); found {
			value = text // as in a process, the last one counts
		}
	}
	return value
}

// answered gives an error of a client its exit code.
func answered(err error) error {
	switch refused, byServer := errors.AsType[*client.Error](err); {
	case errors.Is(err, client.ErrUnauthorized), errors.Is(err, client.ErrForbidden), errors.Is(err, client.ErrRevoked):
		return exit{code: exitForbidden, error: err}
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, client.ErrRateLimited), errors.Is(err, errEnough), errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exit{code: exitUnavailable, error: err}
	case errors.Is(err, client.ErrInvalid) && (!byServer || refused == nil):
		return err // it was not even sent
	default:
		return exit{code: exitFailure, error: err}
	}
}
