package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/pkg/client"
)

// checkTimeout is how long one stream and one publish may take before the load begins.
const checkTimeout = 15 * time.Second

var (
	errOpened = errors.New("a stream was opened")
	errLate   = errors.New("no stream was opened in time")
)

// check opens one stream and publishes one event at each URL, by the client that users have: it says more of what is wrong than
// a thousand readers that are refused.
func check(ctx context.Context, cfg Config, topic string) error {
	for _, u := range cfg.URLs {
		if err := checkURL(ctx, cfg, u, topic); err != nil {
			return err
		}
	}
	return nil
}

func checkURL(ctx context.Context, cfg Config, u, topic string) error {
	c, closed, err := cfg.client(func(settings *client.Config) { settings.URLs = []string{u} })
	if err != nil {
		return err
	}
	defer closed()
	if err = checkStream(ctx, c, topic); err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	p, closed, err := cfg.client(func(settings *client.Config) {
		settings.URLs, settings.Credential, settings.Attempts = []string{u}, cfg.publishCredential(), 3
	})
	if err != nil {
		return err
	}
	defer closed()
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errLate)
	defer cancel()
	_, err = p.Publish(ctx, client.Publication{Targets: []string{"topic:" + topic}, Type: eventType, LiveOnly: true})
	return err
}

func checkStream(ctx context.Context, c *client.Client, topic string) error {
	ctx, stop := context.WithTimeoutCause(ctx, checkTimeout, errLate)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var last error // read when the stream has ended
	stream, err := c.Subscribe(ctx, client.Subscription{Topics: []string{topic}, OnState: func(s client.State) {
		switch s.Phase {
		case client.PhaseOpen:
			cancel(errOpened)
		case client.PhaseWaiting:
			last = s.Err
			if _, certificate := errors.AsType[*tls.CertificateVerificationError](s.Err); certificate {
				cancel(s.Err) // it will not be better by waiting
			}
		case client.PhaseLive:
		}
	}})
	if err != nil {
		return err
	}
	for _, err = range stream.Events() { // it ends with ctx, or for good
	}
	switch _ = stream.Close(); { //nolint:errcheck // it returns none
	case errors.Is(err, errOpened):
		return nil
	case errors.Is(err, errLate) && last != nil:
		return last
	}
	return err
}
