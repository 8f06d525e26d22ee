package admin

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pushstream/pushstream/internal/auth"
	"github.com/pushstream/pushstream/pkg/backplane"
	"github.com/pushstream/pushstream/pkg/event"
)

// message is a signal, as JSON. One field is set. Fields that a node does not know, of a later release, are ignored.
type message struct {
	Ask    *ask    `json:"ask,omitempty"`
	Answer *answer `json:"answer,omitempty"`
	Refuse *rule   `json:"refuse,omitempty"`
}

// ask is a question to every node. Where neither Connections nor End is set, it asks who is there.
type ask struct {
	// ID is for the answers to it.
	ID string `json:"id"`
	// Connections asks for the readers of a log.
	Connections *name `json:"connections,omitempty"`
	// End asks to end streams.
	End *end `json:"end,omitempty"`
}

// end says which streams are to end. One of Reader, Connection and Refuse is set.
type end struct {
	Reader     *name  `json:"reader,omitempty"`
	Connection string `json:"connection,omitempty"`
	Tenant     string `json:"tenant,omitempty"` // of Connection
	Refuse     *rule  `json:"refuse,omitempty"`
}

// name is a log's.
type name struct {
	Tenant string `json:"tenant"`
	Target string `json:"target"`
}

// rule is an auth.Refusal.
type rule struct {
	Tenant  string    `json:"tenant"`
	Target  string    `json:"target,omitempty"`
	TokenID string    `json:"token_id,omitempty"`
	Before  time.Time `json:"before,omitzero"`
	Until   time.Time `json:"until"`
}

// answer is one node's.
type answer struct {
	ID string `json:"id"`
	// By is the process that answers.
	By          string       `json:"by"`
	Node        *Node        `json:"node,omitempty"`
	Connections []Connection `json:"connections,omitempty"`
	// Total counts connections that were found or ended.
	Total int `json:"total,omitempty"`
}

func nameOf(log event.LogName) *name {
	return &name{Tenant: log.Tenant.String(), Target: log.Target.String()}
}

func (n name) parse() (log event.LogName, err error) {
	if log.Tenant, err = event.ParseTenant(n.Tenant); err != nil {
		return log, err
	}
	log.Target, err = event.ParseTarget(n.Target)
	return log, err
}

func ruleOf(r auth.Refusal) *rule {
	out := &rule{Tenant: r.Tenant.String(), TokenID: r.TokenID, Before: r.Before, Until: r.Until}
	if !r.Target.IsZero() {
		out.Target = r.Target.String()
	}
	return out
}

func (r rule) parse() (out auth.Refusal, err error) {
	out = auth.Refusal{TokenID: r.TokenID, Before: r.Before, Until: r.Until}
	if out.Tenant, err = event.ParseTenant(r.Tenant); err != nil || r.Target == "" {
		return out, err
	}
	out.Target, err = event.ParseTarget(r.Target)
	return out, err
}

// encode returns a signal. Connections that do not fit into one are left out.
func encode(m message) ([]byte, error) {
	for {
		body, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("encode signal: %w", err)
		}
		if len(body) <= backplane.MaxSignal || m.Answer == nil || len(m.Answer.Connections) == 0 {
			return body, nil
		}
		m.Answer.Connections = m.Answer.Connections[:len(m.Answer.Connections)/2]
	}
}
