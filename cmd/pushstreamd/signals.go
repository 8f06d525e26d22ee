package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// systemSignals catches SIGTERM and SIGINT.
func systemSignals() (caught <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	return signals, func() { signal.Stop(signals) }
}

// obey turns signals into what a node understands: the first SIGTERM closes drain; anything else, and whatever comes
// second, ends the context, which stops at once. After that stop is called, so that a third signal kills a node that
// hangs. The caller calls release in the end.
func obey(ctx context.Context, caught <-chan os.Signal, stop func()) (_ context.Context, drain <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	asked := make(chan struct{})
	done := make(chan struct{})
	go func() { // release joins it
		defer close(done)
		defer stop()
		defer cancel()
		select {
		case s := <-caught:
			if s != syscall.SIGTERM {
				return
			}
			close(asked)
		case <-ctx.Done():
			return
		}
		select {
		case <-caught:
		case <-ctx.Done():
		}
	}()
	return ctx, asked, func() {
		cancel()
		<-done
	}
}
