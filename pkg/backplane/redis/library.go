package redis

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// version is part of the functions' names, so that nodes of two releases work side by side on one server. Whatever changes
// functions.lua after a release raises it.
const version = "1"

//go:embed functions.lua
var library string

// functions are the names of the library's functions, of one version.
type functions struct {
	code                                  string
	name, publish, replay, head, canary string
}

func functionsOf(version string) functions {
	f := functions{name: "pushstream_" + version, code: strings.ReplaceAll(library, "_@", "_"+version)}
	f.publish, f.replay, f.head, f.canary = f.name+"_publish", f.name+"_replay", f.name+"_head", f.name+"_canary"
	return f
}

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
