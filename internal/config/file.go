package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/pushstream/pushstream/pkg/event"
)

// maxFile is the most bytes of a configuration file: a path that is wrong may be anything.
const maxFile = 1 << 20

// readFile returns the settings of a YAML file, none where name is empty.
func readFile(name string) ([]given, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name) //nolint:gosec // whoever starts the node names the file
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read configuration: %s is larger than %s", name, formatBytes(maxFile))
	}
	return parseYAML(name, data)
}

// parseYAML returns the settings that a document has. What it does not understand is a fault; it returns all of them.
func parseYAML(name string, data []byte) ([]given, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))                        // YAML 1.2, section 5.2
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey()) // walk finds duplicates, and calls them by name
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			p := at.GetToken().Position
			return nil, fmt.Errorf("%s:%d:%d: %s", name, p.Line, p.Column, at.GetMessage())
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	w := walk{name: name, keys: make(map[string]string), groups: make(map[string]bool), seen: make(map[string]bool)}
	var c Config
	for _, s := range settings(&c) {
		w.keys[s.key] = s.value.Type()
		if group, _, nested := strings.Cut(s.key, "."); nested {
			w.groups[group] = true
		}
	}
	bodies := 0
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if bodies++; bodies > 1 {
			w.fault(doc.Body, "a second document")
			break
		}
		w.group(doc.Body, "")
	}
	return w.found, errors.Join(w.faults...)
}

// walk flattens a document to settings.
type walk struct {
	name   string
	keys   map[string]string // their kinds
	groups map[string]bool
	seen   map[string]bool
	found  []given
	faults []error
}

func (w *walk) fault(at ast.Node, format string, args ...any) {
	w.faults = append(w.faults, fmt.Errorf("%s: %s", w.place(at), fmt.Sprintf(format, args...)))
}

// place returns file:line:column.
func (w *walk) place(at ast.Node) string {
	if t := at.GetToken(); t != nil && t.Position != nil {
		return fmt.Sprintf("%s:%d:%d", w.name, t.Position.Line, t.Position.Column)
	}
	return w.name
}

// group takes the settings of a mapping, whose path is empty at the top.
func (w *walk) group(node ast.Node, path string) {
	entries, ok := node.(*ast.MappingNode)
	if !ok {
		w.fault(node, "%sexpected are settings, each as name: value", prefix(path, ": "))
		return
	}
	for _, entry := range entries.Values {
		word := entry.Key.GetToken().Value
		key := prefix(path, ".") + word
		switch {
		case strings.Contains(word, "."):
			w.fault(entry.Key, "%s: groups are nested, not written with dots", event.Quote(key))
		case w.seen[key]:
			w.fault(entry.Key, "%s: it is set twice", event.Quote(key))
		case w.keys[key] != "":
			w.setting(key, entry.Value)
		case w.groups[key]:
			w.group(entry.Value, key)
		default:
			w.fault(entry.Key, "unknown setting %s%s", event.Quote(key), hint("", key, w.names()))
		}
		w.seen[key] = true
	}
}

// prefix puts a separator behind a path that is not empty.
func prefix(path, separator string) string {
	if path == "" {
		return ""
	}
	return path + separator
}

func (w *walk) names() []string {
	var names []string
	for key := range w.keys {
		names = append(names, key)
	}
	for group := range w.groups {
		names = append(names, group)
	}
	return names
}

func (w *walk) setting(key string, node ast.Node) {
	g := given{key: key, from: w.place(node)}
	if w.keys[key] == kindYAML {
		g.text = node.String()
		w.found = append(w.found, g)
		return
	}
	if items, ok := node.(*ast.SequenceNode); ok {
		texts := make([]string, len(items.Values))
		for i, item := range items.Values {
			var err error
			if texts[i], err = scalar(item); err != nil {
				w.fault(item, "%s: %v", key, err)
				return
			}
		}
		g.list, g.text = true, strings.Join(texts, ",")
	} else {
		var err error
		if g.text, err = scalar(node); err != nil {
			w.fault(node, "%s: %v", key, err)
			return
		}
	}
	w.found = append(w.found, g)
}

// scalar returns the text of a plain value as it was written. Anchors, aliases and tags have no use here.
func scalar(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New("it has no value; leave it out for the default")
	default:
		return "", fmt.Errorf("it is not a plain value (%s)", strings.ToLower(node.Type().String()))
	}
}
