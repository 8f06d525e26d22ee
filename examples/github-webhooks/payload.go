package main

import (
	"maps"
	"slices"
)

// payload is the body of a delivery.
type payload map[string]any

// action is what happened; some deliveries, such as push, do not say.
func (p payload) action() string {
	if action, ok := p["action"].(string); ok {
		return action
	}
	return "received"
}

// targets returns whom the delivery is for, sorted and without repetition: the readers of its repository, and the people
// that it names.
func (p payload) targets() []string {
	found := make(map[string]bool)
	if repository, ok := p["repository"].(map[string]any); ok {
		if name, ok := repository["full_name"].(string); ok {
			found["topic:"+name] = true
		}
	}
	addPeople(map[string]any(p), found)
	return slices.Sorted(maps.Keys(found))
}

// addPeople finds the accounts of people and bots: the sender, authors, assignees, requested reviewers, wherever they are.
// The owner of a repository is not concerned by all that happens in it.
func addPeople(value any, found map[string]bool) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			addPeople(item, found)
		}
	case map[string]any:
		login, ok := v["login"].(string)
		if kind := v["type"]; ok && (kind == "User" || kind == "Bot") {
			found["user:"+login] = true
		}
		for key, item := range v {
			if key != "owner" {
				addPeople(item, found)
			}
		}
	}
}
