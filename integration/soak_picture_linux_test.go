package integration_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The sizes of a picture, in pixels.
const (
	pictureWidth = 860
	chartHeight  = 190
	chartLeft    = 70
	chartRight   = 20
	chartTop     = 44
	chartGap     = 70 // below a chart: its axis and the title of the next one
)

// pictureStyle makes it readable on light and dark pages: a picture that a page shows sees what the reader prefers.
const pictureStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.a, .b { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.a { stroke: #0969da } .b { stroke: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .ground { fill: #0d1117 } .grid { stroke: #3d444d } .a { stroke: #58a6ff } .b { stroke: #f0883e }
}
</style>
`

// chart is lines over the same times.
type chart struct {
	title, unit string
	lines       []line
}

type line struct {
	name   string
	values []float64
}

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
	return drawing(minutes, memory, connections, keys)
}

func (s *soak) values(of func(soakSample) int, unit float64) []float64 {
	values := make([]float64, len(s.samples))
	for i, m := range s.samples {
		values[i] = float64(of(m)) / unit
	}
	return values
}

// drawing is charts below each other, as SVG.
func drawing(minutes []float64, charts ...chart) string {
	var b strings.Builder
	height := len(charts)*(chartHeight+chartGap) + chartTop/2
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", pictureWidth, height, pictureWidth, height)
	b.WriteString("<title>Memory of the nodes, connections and keys over time</title>\n" + pictureStyle)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", pictureWidth, height)
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", chartLeft, chartTop+i*(chartHeight+chartGap))
		c.draw(&b, minutes)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c chart) draw(b *strings.Builder, minutes []float64) {
	const width = pictureWidth - chartLeft - chartRight
	most, latest := 0.0, minutes[len(minutes)-1]
	for _, l := range c.lines {
		for _, v := range l.values {
			most = max(most, v)
		}
	}
	step := tick(most, 5)
	most = math.Ceil(max(most, step)/step) * step
	x := func(minute float64) float64 { return minute / latest * width }
	y := func(value float64) float64 { return chartHeight - value/most*chartHeight }
	text := func(x, y float64, anchor, class, text string) {
		fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, text)
	}
	text(0, -20, "start", "title", c.title+", "+c.unit)
	for v := 0.0; v <= most+step/2; v += step {
		fmt.Fprintf(b, `<path class="grid" d="M0 %.1fH%d"/>`+"\n", y(v), width)
		text(-8, y(v)+4, "end", "label", strconv.FormatFloat(v, 'f', -1, 64))
	}
	for v, step := 0.0, tick(latest, 10); v <= latest+step/1000; v += step {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dv5"/>`+"\n", x(v), chartHeight)
		text(x(v), chartHeight+20, "middle", "label", strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64))
	}
	text(width, chartHeight+36, "end", "label", "minutes")
	for i, l := range c.lines {
		class := []string{"a", "b"}[i%2]
		at := float64(width - 90*(len(c.lines)-i))
		fmt.Fprintf(b, `<path class="%s" d="M%.1f -24h20"/>`+"\n", class, at)
		text(at+26, -20, "start", "label", l.name)
		fmt.Fprintf(b, `<path class="%s" d="M`, class)
		for j, v := range l.values {
			fmt.Fprintf(b, "%.1f %.1f ", x(minutes[j]), y(v))
		}
		b.WriteString("\"/>\n")
	}
}

// tick is a round distance that divides a range into at most so many parts.
func tick(most float64, parts int) float64 {
	if most <= 0 {
		return 1
	}
	least := most / float64(parts)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= least {
			return m * power
		}
	}
	return 10 * power
}
