package integration_test

import (
	"fmt"
	"math"
	"slices"
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

// axis is what charts below each other have in common.
type axis struct {
	unit   string
	values []float64
	log    bool
	marked bool // the values are few: each is a mark of the axis, and a dot of each line
}

// chart is lines over the same values.
type chart struct {
	title, unit string
	log         bool // upwards each step is ten times as much
	lines       []line
}

type line struct {
	name   string
	values []float64
}

// scale says where values are between its ends, and which of them are named.
type scale struct {
	least, most float64
	log         bool
	ticks       []float64
}

// fromZero is a scale from 0 to what the last of round ticks is, or to the value itself.
func fromZero(most float64, parts int, whole bool) scale {
	s, step := scale{most: most}, tick(most, parts)
	if whole {
		s.most = math.Ceil(max(most, step)/step) * step
	}
	for v := 0.0; v <= s.most+step/1000; v += step {
		s.ticks = append(s.ticks, v)
	}
	return s
}

// byTens is a scale of powers of ten around values, which are over 0.
func byTens(values []float64) scale {
	low, high := math.Floor(math.Log10(slices.Min(values))), math.Ceil(math.Log10(slices.Max(values)))
	s := scale{least: math.Pow(10, low), most: math.Pow(10, max(high, low+1)), log: true}
	for power := low; power <= max(high, low+1); power++ {
		s.ticks = append(s.ticks, math.Pow(10, power))
	}
	return s
}

// share returns where a value is: 0 is one end, 1 the other.
func (s scale) share(v float64) float64 {
	switch {
	case s.most == s.least:
		return 0
	case s.log:
		return math.Log(v/s.least) / math.Log(s.most/s.least)
	}
	return (v - s.least) / (s.most - s.least)
}

func (a axis) scale() scale {
	last := a.values[len(a.values)-1]
	if a.marked {
		return scale{least: a.values[0], most: last, log: a.log, ticks: a.values}
	}
	return fromZero(last, 10, false)
}

func (c chart) scale() scale {
	var all []float64
	for _, l := range c.lines {
		all = append(all, l.values...)
	}
	if c.log {
		return byTens(all)
	}
	return fromZero(slices.Max(all), 5, true)
}

// drawing is charts below each other, as SVG.
func drawing(title string, x axis, charts ...chart) string {
	var b strings.Builder
	height := len(charts)*(chartHeight+chartGap) + chartTop/2
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", pictureWidth, height, pictureWidth, height)
	b.WriteString("<title>" + title + "</title>\n" + pictureStyle)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", pictureWidth, height)
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", chartLeft, chartTop+i*(chartHeight+chartGap))
		c.draw(&b, x)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c chart) draw(b *strings.Builder, along axis) {
	const width = pictureWidth - chartLeft - chartRight
	across, up := along.scale(), c.scale()
	x := func(v float64) float64 { return across.share(v) * width }
	y := func(v float64) float64 { return chartHeight - up.share(v)*chartHeight }
	text := func(x, y float64, anchor, class, text string) {
		fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, text)
	}
	text(0, -20, "start", "title", c.title+", "+c.unit)
	for _, v := range up.ticks {
		fmt.Fprintf(b, `<path class="grid" d="M0 %.1fH%d"/>`+"\n", y(v), width)
		text(-8, y(v)+4, "end", "label", strconv.FormatFloat(v, 'f', -1, 64))
	}
	for _, v := range across.ticks {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dv5"/>`+"\n", x(v), chartHeight)
		text(x(v), chartHeight+20, "middle", "label", strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64))
	}
	text(width, chartHeight+36, "end", "label", along.unit)
	for i, l := range c.lines {
		class := []string{"a", "b"}[i%2]
		at := float64(width - 90*(len(c.lines)-i))
		fmt.Fprintf(b, `<path class="%s" d="M%.1f -24h20"/>`+"\n", class, at)
		text(at+26, -20, "start", "label", l.name)
		fmt.Fprintf(b, `<path class="%s" d="M`, class)
		for j, v := range l.values {
			fmt.Fprintf(b, "%.1f %.1f ", x(along.values[j]), y(v))
		}
		b.WriteString("\"/>\n")
		for j, v := range l.values {
			if along.marked {
				fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3"/>`+"\n", class, x(along.values[j]), y(v))
			}
		}
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
