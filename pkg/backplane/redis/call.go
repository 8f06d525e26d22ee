package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pushstream/pushstream/pkg/event"
)

// invocation is one call of a function.
type invocation struct {
	function string
	keys     []string
	args     []any
	// replicas have to confirm it, within the time that the call has.
	replicas int
}

// reply is what a function answered.
type reply struct {
	run  string         // the server that executed it
	head event.Position // the partition's head behind the call
	rest []any
}

func parseReply(answer []any) (reply, error) {
	if len(answer) == 0 {
		return reply{}, errors.New("the function answered nothing")
	}
	header, _ := answer[0].(string)
	run, at, _ := strings.Cut(header, " ")
	head, err := event.ParsePosition(at)
	if err != nil {
		return reply{}, fmt.Errorf("parse reply: %w", err)
	}
	return reply{run: run, head: head, rest: answer[1:]}, nil
}

// once calls a function of a partition.
func (e *Engine) once(ctx context.Context, i invocation) (reply, error) {
	answer, err := e.execute(ctx, i)
	if err != nil {
		return reply{}, err
	}
	return parseReply(answer)
}

// execute calls a function, and loads the library if it is missing.
func (e *Engine) execute(ctx context.Context, i invocation) ([]any, error) {
	began := time.Now()
	answer, err := e.invoke(ctx, i)
	if err != nil && faultOf(err) == faultLibrary {
		if err = e.functions.load(ctx, e.servers); err != nil {
			return nil, fmt.Errorf("load functions: %w", err)
		}
		answer, err = e.invoke(ctx, i)
	}
	e.metrics.Called(i.function, time.Since(began), err)
	return answer, err
}

// invoke calls a function on the server that has its keys. A cluster's client would do that too, but it repeats what timed
// out, and what was refused, and does not tell which.
func (e *Engine) invoke(ctx context.Context, i invocation) ([]any, error) {
	client, err := e.servers.onPrimary(ctx, i.keys[0])
	if err != nil {
		return nil, err
	}
	answer, err := e.confirmed(ctx, client, i)
	moved, ask, to := redirected(err)
	switch {
	case ask:
		return e.asking(ctx, client, to, i)
	case moved:
		if err = e.servers.reload(ctx); err != nil {
			return nil, err
		}
		if client, err = e.servers.onPrimary(ctx, i.keys[0]); err != nil {
			return nil, err
		}
		return e.confirmed(ctx, client, i)
	}
	return answer, err
}

// asking calls a function on the server that a slot is being moved to.
func (e *Engine) asking(ctx context.Context, from *goredis.Client, address string, i invocation) ([]any, error) {
	options := copyOf(from.Options(), e.config)
	options.Addr, options.PoolSize = address, 1
	client := goredis.NewClient(options)
	defer client.Close() //nolint:errcheck // nothing is lost with it
	return e.confirmed(ctx, client, i, "asking")
}

// confirmed calls a function and waits for replicas, if they have to confirm it, on the same connection: what WAIT says on
// another one is about that one's writes.
func (e *Engine) confirmed(ctx context.Context, client *goredis.Client, i invocation, before ...any) ([]any, error) {
	if i.replicas == 0 && len(before) == 0 {
		return client.FCall(ctx, e.functions.full(i.function), i.keys, i.args...).Slice()
	}
	timeout := ioTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	pipe := client.Pipeline()
	if len(before) > 0 {
		pipe.Do(ctx, before...)
	}
	called := pipe.FCall(ctx, e.functions.full(i.function), i.keys, i.args...)
	var waited *goredis.Cmd
	if i.replicas > 0 {
		waited = pipe.Do(ctx, "wait", i.replicas, max(1, (timeout*3/4).Milliseconds()))
	}
	_, err := pipe.Exec(ctx)
	if called.Err() != nil {
		return nil, called.Err()
	}
	if err != nil {
		return nil, err
	}
	if waited != nil {
		n, err := waited.Int()
		if err != nil {
			return nil, fmt.Errorf("wait for replicas: %w", err)
		}
		if n < i.replicas {
			return nil, fmt.Errorf("%d of %d replicas have confirmed", n, i.replicas)
		}
	}
	return called.Slice()
}

// redirected tells what a cluster's server says of a key that it does not have.
func redirected(err error) (moved, ask bool, to string) {
	if err == nil {
		return false, false, ""
	}
	words := strings.Fields(err.Error())
	if len(words) != 3 {
		return false, false, ""
	}
	return words[0] == "MOVED", words[0] == "ASK", words[2]
}

// pause waits before a call is repeated: a random time that grows with the attempts. It reports whether there is time for
// another one.
func pause(ctx context.Context, attempt int) bool {
	const least, most = 10 * time.Millisecond, 250 * time.Millisecond
	longest := min(most, least<<min(attempt, 10))
	timer := time.NewTimer(least + rand.N(longest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// again waits before a call is repeated, and looks where its server is now: a cluster's client would only begin to look, and
// repeat the call where it failed. It reports whether there is time for another attempt.
func (e *Engine) again(ctx context.Context, attempt int, cause error) bool {
	if !pause(ctx, attempt) {
		return false
	}
	if faultOf(cause) == faultMoving {
		return true // it is where it was
	}
	if err := e.servers.reload(ctx); err != nil {
		e.log.DebugContext(ctx, "look for the servers", slog.Any("error", err))
	}
	return true
}

// read calls a function that stores nothing, and tries again for a while where the error may pass. While the relay is
// vouched for it takes no answer but from the server that relays: another one may know of events that the relay does not,
// or know less.
func (e *Engine) read(ctx context.Context, p *partition, i invocation) (reply, error) {
	return e.repeat(ctx, p, i, time.Second)
}

// repeat calls a function that may be called again, and does so for as long as patience allows.
func (e *Engine) repeat(ctx context.Context, p *partition, i invocation, patience time.Duration) (reply, error) {
	tries, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for attempt := 0; ; attempt++ {
		r, err := e.settled(ctx, p, i)
		if err == nil {
			if p.relays(r.run) {
				return r, nil
			}
			err = errElsewhere
			p.suspect()
		}
		if f := faultOf(err); f == faultFinal || f == faultRefused || !e.again(tries, attempt, err) {
			return reply{}, e.outcome(ctx, err)
		}
	}
}

// settled calls a function. If the history has turned out to be another one it asks the store first about what this node
// knows of the last, and then once more: so a loss is marked before anybody goes on behind it, and told to nobody twice.
func (e *Engine) settled(ctx context.Context, p *partition, i invocation) (reply, error) {
	asked := p.witness.asked()
	r, err := e.once(ctx, i)
	p.answered(ctx, err)
	if err != nil {
		return reply{}, err
	}
	p.witness.see(r.head)
	switch {
	case p.witness.owes():
		if _, err = p.testify(ctx, "", false); err != nil {
			return reply{}, err
		}
	case p.witness.asked() == asked:
		return r, nil
	}
	if r, err = e.once(ctx, i); err == nil {
		p.witness.see(r.head)
	}
	return r, err
}
