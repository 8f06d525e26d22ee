package integration_test

import "fmt"

// picture shows memory, connections and keys over time.
func (s *soak) picture() string {
	memory, connections := chart{title: "Memory of the nodes", unit: "MiB"}, chart{title: "Connections", unit: "streams"}
	for i := range s.nodes {
		name := fmt.Sprintf("node %d", i+1)
		memory.lines = append(memory.lines, line{name, s.values(func(m soakSample) int { return m.nodes[i].memory }, mebibyte)})
		connections.lines = append(connections.lines, line{name, s.values(func(m soakSample) int { return m.connections[i] }, 1)})
	}
	keys := chart{title: "Redis", unit: "keys", lines: []line{{"Redis", s.values(func(m soakSample) int { return m.keys }, 1)}}}
	minutes := make([]float64, len(s.samples))
	for i, m := range s.samples {
		minutes[i] = m.after.Minutes()
	}
	return drawing("Memory of the nodes, connections and keys over time", axis{unit: "minutes", values: minutes}, memory, connections, keys)
}

func (s *soak) values(of func(soakSample) int, unit float64) []float64 {
	values := make([]float64, len(s.samples))
	for i, m := range s.samples {
		values[i] = float64(of(m)) / unit
	}
	return values
}
