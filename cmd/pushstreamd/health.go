package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/config"
)

// healthTimeout is how long a node may take to say that it lives.
const healthTimeout = 3 * time.Second

// health asks the node of the same settings whether it lives, for supervisors whose image has no other program to do so.
func (p program) health(ctx context.Context) *cobra.Command {
	c := command("health", "Ask the node on this machine whether it lives", func(c *cobra.Command) error {
		l, err := config.Load(c.Flags(), p.environ)
		if err = errors.Join(err, l.Config.Validate()); err != nil {
			return err
		}
		if err = alive(ctx, l.Config); err != nil {
			return failure(err)
		}
		return nil
	})
	c.Long = `Ask the node of the same settings, on this machine, whether it lives: /livez of the admin listener, or of the public one
where there is none. The exit code is 0 if it does, 1 if not, and 2 for faults of the configuration.`
	return c
}

func alive(ctx context.Context, cfg config.Config) error {
	host, port, err := net.SplitHostPort(cmp.Or(cfg.Admin, cfg.Listen))
	if err != nil {
		return fmt.Errorf("find the node: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read
	if _, err = io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the node: it answers %s", response.Status)
	}
	return nil
}
