package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/internal/config"
)

// token mints a token of the secret that the settings have, to try things out.
func (p program) token() *cobra.Command {
	var claims auth.MintClaims
	var topics []string
	c := &cobra.Command{
		Use: "token", Short: "Make a token to try things out", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := config.Load(c.Flags(), p.environ)
			if err != nil {
				return err
			}
			if l.Config.Auth.Secret == "" {
				return errors.New("auth.secret: there is none to sign the token with: set PUSHSTREAM_AUTH_SECRET, or auth.secret in the file of --config, " +
					"to the one of the nodes; `openssl rand -hex 32` makes one")
			}
			for _, topic := range topics {
				claims.Subscribe = append(claims.Subscribe, "topic:"+topic)
			}
			text, err := auth.Mint(string(l.Config.Auth.Secret), claims)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintln(p.stdout, text); err != nil {
				return failure(fmt.Errorf("print token: %w", err))
			}
			return nil
		},
	}
	c.Long = `Make a token that nodes with the same auth.secret take, and print it. Whoever has it is that user, until it expires.

A topic, or a target that may be published to, may end in * for all that begin so. Real tokens are made by whatever logs
people in, with a JWT library: issuer and audience are "pushstream", the algorithm is HS256.`
	c.Example = `  export PUSHSTREAM_AUTH_SECRET=$(openssl rand -hex 32)
  pushstreamd token --user alice --topic news --topic 'orders.*'
  pushstreamd token --publish 'user:*' --publish all --expires 24h`
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&claims.User, "user", "", "`id` of the user")
	f.StringVar(&claims.Session, "session", "", "`id` of the session")
	f.StringArrayVar(&topics, "topic", nil, "`name` of a topic that may be read; may be given several times")
	f.StringArrayVar(&claims.Publish, "publish", nil, "`target` that may be published to; may be given several times")
	f.DurationVar(&claims.Age, "expires", time.Hour, "how long the token counts")
	config.RegisterOnly(f, "auth.secret")
	return c
}
