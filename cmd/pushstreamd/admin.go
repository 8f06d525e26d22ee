package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/pushstream/pushstream/internal/admin"
	"github.com/pushstream/pushstream/internal/config"
	"github.com/pushstream/pushstream/pkg/event"
)

// adminTimeout is how long an order may take: nodes have two seconds to answer, and Redis longer than that.
const adminTimeout = 35 * time.Second

// admin groups the commands that ask any node about all of them.
func (p program) admin(ctx context.Context) *cobra.Command {
	group := &cobra.Command{
		Use: "admin", Short: "Look at all nodes, log people out, drain", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("admin needs one of its commands: nodes, connections, log, end, logout, refuse, ready or drain")
		},
	}
	group.Long = `Ask a node's admin listener. Any node can be asked about all of them; only ready and drain are about the one that is asked.

The node is found and convinced by the settings admin and admin_token, as the node itself: flags, PUSHSTREAM_ADMIN and
PUSHSTREAM_ADMIN_TOKEN, or the file.

The exit code is 0 when it is done, 1 when it failed or what answers is no node, 2 for faults of the command line, also those
that the node finds, 3 when the token is wrong, and 4 when the node cannot be reached, or when some node has not answered: then
do it again.`
	group.AddCommand(p.adminNodes(ctx), p.adminConnections(ctx), p.adminLog(ctx), p.adminEnd(ctx), p.adminLogout(ctx),
		p.adminRefuse(ctx), p.adminReady(ctx), p.adminDrain(ctx))
	return group
}

// order is a command that makes one request.
type order struct {
	*cobra.Command

	output string
}

// answer is what a node says to an order. The zero answer is no words.
type answer struct {
	member string                               // one that the node's object always has
	show   func(w io.Writer, body []byte) error // writes it for people
}

// read checks that a body is a node's answer: a good status is easily had of whatever else listens there.
func (a answer) read(body []byte) error {
	if a.member == "" && len(body) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return errNoNode
	}
	if _, has := members[a.member]; !has {
		return errNoNode
	}
	return nil
}

// order returns a command with the settings that find the node. ask makes the request, and expected is the answer to it.
func (p program) order(ctx context.Context, use, short string, ask func() (request, error), expected answer) *order {
	o := &order{}
	o.Command = &cobra.Command{
		Use: use, Short: short, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.output != "text" && o.output != "json" {
				return fmt.Errorf("--output: %s is neither text nor json", event.Quote(o.output))
			}
			r, err := ask()
			if err != nil {
				return err
			}
			body, err := p.send(ctx, c, r)
			if err != nil {
				return err
			}
			if err = expected.read(body); err != nil {
				return failure(err)
			}
			if len(body) == 0 {
				return nil
			}
			show := expected.show
			if o.output == "json" {
				show = asItIs
			}
			if err = show(p.stdout, body); err != nil {
				return failure(err)
			}
			return incomplete(body)
		},
	}
	o.Flags().SortFlags = false
	o.Flags().StringVar(&o.output, "output", "text", "text, or json for the node's answer as it is")
	config.RegisterOnly(o.Flags(), "admin", "admin_token")
	return o
}

func asItIs(w io.Writer, body []byte) error {
	_, err := w.Write(body)
	return err
}

// incomplete says that some node has not answered.
func incomplete(body []byte) error {
	var answer struct {
		Complete *bool `json:"complete"`
	}
	if err := json.Unmarshal(body, &answer); err == nil && answer.Complete != nil && !*answer.Complete {
		return exit{code: exitUnavailable, error: errors.New("some node has not answered; do it again")}
	}
	return nil
}

// who adds the flags that name a reader.
func who(c *cobra.Command, s *subject) {
	c.Flags().StringVar(&s.User, "user", "", "the user's `ID`")
	c.Flags().StringVar(&s.Session, "session", "", "the session's `ID`")
	c.Flags().StringVar(&s.Tenant, "tenant", "", "the `tenant` (default \"default\")")
}

// subject is whom an order is about.
type subject struct {
	Tenant     string `json:"tenant,omitempty"`
	User       string `json:"user,omitempty"`
	Session    string `json:"session,omitempty"`
	Connection string `json:"connection,omitempty"`
	Token      string `json:"token,omitempty"`
	TokenID    string `json:"token_id,omitempty"`
	For        string `json:"for,omitempty"`
}

func (p program) adminNodes(ctx context.Context) *cobra.Command {
	return p.order(ctx, "nodes", "List the nodes", func() (request, error) {
		return request{method: http.MethodGet, path: "/admin/nodes"}, nil
	}, answer{"nodes", showNodes}).Command
}

func showNodes(w io.Writer, body []byte) error {
	var answer struct {
		Nodes []admin.Node `json:"nodes"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	rows := [][]string{{"NODE", "CONNECTIONS", "STARTED", "VERSION", "READY"}}
	for _, n := range answer.Nodes {
		ready := "yes"
		if !n.Ready {
			ready = "no: " + n.Reason
		}
		rows = append(rows, []string{n.Name, strconv.Itoa(n.Connections), stamp(n.Started), n.Version, ready})
	}
	return columns(w, rows)
}

func (p program) adminConnections(ctx context.Context) *cobra.Command {
	var s subject
	o := p.order(ctx, "connections", "List the streams of a user or session, on all nodes", func() (request, error) {
		query := url.Values{}
		for name, value := range map[string]string{"tenant": s.Tenant, "user": s.User, "session": s.Session} {
			if value != "" {
				query.Set(name, value)
			}
		}
		return request{method: http.MethodGet, path: "/admin/connections", query: query}, nil
	}, answer{"connections", showConnections})
	who(o.Command, &s)
	return o.Command
}

func showConnections(w io.Writer, body []byte) error {
	var answer struct {
		Connections []admin.Connection `json:"connections"`
		Total       int                `json:"total"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	rows := [][]string{{"CONNECTION", "NODE", "USER", "SESSION", "ADDRESS", "OPENED", "STATE", "TARGETS"}}
	for _, c := range answer.Connections {
		rows = append(rows, []string{c.Connection, c.Node, c.User, c.Session, c.Address, stamp(c.Opened), c.State, strings.Join(c.Targets, " ")})
	}
	if err := columns(w, rows); err != nil {
		return err
	}
	if more := answer.Total - len(answer.Connections); more > 0 {
		_, err := fmt.Fprintf(w, "and %d more\n", more)
		return err
	}
	return nil
}

func (p program) adminLog(ctx context.Context) *cobra.Command {
	var tenant, target, after string
	var limit int
	o := p.order(ctx, "log", "Read the log of a target", func() (request, error) {
		query := url.Values{"target": {target}, "limit": {strconv.Itoa(limit)}}
		for name, value := range map[string]string{"tenant": tenant, "after": after} {
			if value != "" {
				query.Set(name, value)
			}
		}
		return request{method: http.MethodGet, path: "/admin/log", query: query}, nil
	}, answer{"events", showLog})
	o.Flags().StringVar(&target, "target", "", "the `target`, like user:alice or topic:news")
	o.Flags().StringVar(&tenant, "tenant", "", "the `tenant` (default \"default\")")
	o.Flags().StringVar(&after, "after", "", "the `id` behind which to begin; the oldest event that is kept without it")
	o.Flags().IntVar(&limit, "limit", 100, "the most events, up to 1000")
	return o.Command
}

func showLog(w io.Writer, body []byte) error {
	var answer struct {
		Events []struct {
			ID   string          `json:"id"`
			Time time.Time       `json:"time"`
			Type string          `json:"type"`
			Data json.RawMessage `json:"data"`
		} `json:"events"`
		Gap  string `json:"gap"`
		More bool   `json:"more"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if answer.Gap != "" {
		if _, err := fmt.Fprintf(w, "gap: %s\n", printable(answer.Gap)); err != nil {
			return err
		}
	}
	rows := [][]string{{"ID", "TIME", "TYPE", "DATA"}}
	for _, e := range answer.Events {
		rows = append(rows, []string{e.ID, stamp(e.Time), e.Type, string(e.Data)})
	}
	if err := columns(w, rows); err != nil {
		return err
	}
	if last := len(answer.Events) - 1; answer.More && last >= 0 {
		_, err := fmt.Fprintf(w, "more: --after %s\n", printable(answer.Events[last].ID))
		return err
	}
	return nil
}

func (p program) adminEnd(ctx context.Context) *cobra.Command {
	var s subject
	o := p.order(ctx, "end", "End streams of a user or session, or one connection; they may come back", func() (request, error) {
		return request{method: http.MethodPost, path: "/admin/end", body: s}, nil
	}, answer{"ended", showEnded})
	who(o.Command, &s)
	o.Flags().StringVar(&s.Connection, "connection", "", "the connection's `ID`")
	return o.Command
}

func (p program) adminLogout(ctx context.Context) *cobra.Command {
	var s subject
	o := p.order(ctx, "logout", "End all streams of a user or session, and refuse the tokens issued to it until now", func() (request, error) {
		return request{method: http.MethodPost, path: "/admin/logout", body: s}, nil
	}, answer{"ended", showEnded})
	who(o.Command, &s)
	o.Flags().StringVar(&s.For, "for", "", "how long the tokens are refused, as long as tokens live: 1s to 720h (default 24h)")
	return o.Command
}

func (p program) adminRefuse(ctx context.Context) *cobra.Command {
	var s subject
	var tokenFile string
	o := p.order(ctx, "refuse", "Refuse one token from now on", func() (request, error) {
		if tokenFile != "" {
			token, err := p.readToken(tokenFile)
			if err != nil {
				return request{}, err
			}
			s.Token = token
		}
		return request{method: http.MethodPost, path: "/admin/refuse", body: s}, nil
	}, answer{"ended", showEnded})
	o.Flags().StringVar(&tokenFile, "token-file", "", "`file` with the token; - for standard input. It is refused until it expires")
	o.Flags().StringVar(&s.TokenID, "token-id", "", "the token's jti, instead of the token")
	o.Flags().StringVar(&s.Tenant, "tenant", "", "the `tenant` of --token-id (default \"default\")")
	o.Flags().StringVar(&s.For, "for", "", "how long a token-id is refused: 1s to 720h (default 24h)")
	return o.Command
}

func (p program) adminReady(ctx context.Context) *cobra.Command {
	ready := true
	o := p.order(ctx, "ready", "Tell balancers that this node is to have no new readers, or may have them again", func() (request, error) {
		return request{method: http.MethodPost, path: "/admin/ready", body: map[string]bool{"ready": ready}}, nil
	}, answer{})
	o.Flags().BoolVar(&ready, "is", true, "false takes the node off")
	return o.Command
}

func (p program) adminDrain(ctx context.Context) *cobra.Command {
	return p.order(ctx, "drain", "Send this node's readers elsewhere and stop it, as SIGTERM does", func() (request, error) {
		return request{method: http.MethodPost, path: "/admin/drain"}, nil
	}, answer{}).Command
}

func showEnded(w io.Writer, body []byte) error {
	var answer struct {
		Ended        int       `json:"ended"`
		RefusedUntil time.Time `json:"refused_until"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if _, err := fmt.Fprintf(w, "ended %d\n", answer.Ended); err != nil || answer.RefusedUntil.IsZero() {
		return err
	}
	_, err := fmt.Fprintf(w, "refused until %s\n", stamp(answer.RefusedUntil))
	return err
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// readToken returns the one token that a file has; standard input for "-".
func (p program) readToken(name string) (string, error) {
	var body []byte
	var err error
	if name == "-" {
		body, err = io.ReadAll(io.LimitReader(p.stdin, maxTokenFile))
	} else {
		body, err = os.ReadFile(name) //nolint:gosec // whoever calls the command names the file
	}
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(body))
	if token == "" {
		return "", fmt.Errorf("read token: %s is empty", name)
	}
	return token, nil
}

// maxTokenFile is the most bytes that are read for a token.
const maxTokenFile = 64 << 10

// printable returns text with everything escaped that is no letter, sign or space to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// columns writes rows under each other. No text of others reaches the terminal as a command.
func columns(w io.Writer, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		if _, err := fmt.Fprintln(table, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return table.Flush()
}
