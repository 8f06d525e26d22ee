package redis

import (
	"context"
	"embed"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// version is part of the functions' names, so that nodes of two releases work side by side on one server. Whatever changes
// the functions after a release raises it.
const version = "1"

// files has the parts of the library.
//
//go:embed functions
var files embed.FS

// library returns the code of the library, its parts in an order in which each knows what it calls.
func library() string {
	var code strings.Builder
	for _, part := range []string{"partition", "publish", "send", "read", "canary", "signals", "lease"} {
		text, err := files.ReadFile("functions/" + part + ".lua")
		if err != nil {
			panic(err) // it was embedded
		}
		code.Write(text)
		code.WriteByte('\n')
	}
	return code.String()
}

// The functions, as metrics call them. Their full names have the library's name before them.
const (
	functionPublish = "publish"
	functionReplay  = "replay"
	functionHead    = "head"
	functionCanary  = "canary"
	functionLease   = "lease"
	functionSignal  = "signal"
	functionSignals = "signals"
)

// Functions returns the names of the functions that nodes call, as Metrics are told them.
func Functions() []string {
	return []string{functionPublish, functionReplay, functionHead, functionCanary, functionLease, functionSignal, functionSignals}
}

// functions is the library, of one version.
type functions struct {
	name, code string
}

func functionsOf(version string) functions {
	return functions{name: "pushstream_" + version, code: strings.ReplaceAll(library(), "_@", "_"+version)}
}

// full returns the name by which the server knows a function.
func (f functions) full(function string) string { return f.name + "_" + function }

// load puts the library on every primary that does not have it. Functions live through restarts where the data does, and
// follow to replicas.
func (f functions) load(ctx context.Context, s *servers) error {
	return s.each(ctx, func(ctx context.Context, c *goredis.Client) error {
		err := c.FunctionLoad(ctx, f.code).Err()
		if err == nil || !strings.Contains(err.Error(), "already exists") {
			return err
		}
		return f.compare(ctx, c)
	})
}

// compare refuses a library of the same version that is another one.
func (f functions) compare(ctx context.Context, c *goredis.Client) error {
	found, err := c.FunctionList(ctx, goredis.FunctionListQuery{LibraryNamePattern: f.name, WithCode: true}).Result()
	if err != nil {
		return fmt.Errorf("list functions: %w", err)
	}
	if len(found) == 1 && found[0].Code != f.code {
		return &fatalError{fmt.Sprintf("the function library %s on Redis is not the one of this build; delete it (FUNCTION DELETE %s) if no other deployment uses it", f.name, f.name)}
	}
	return nil
}
