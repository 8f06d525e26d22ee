package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// The plot, in pixels.
const (
	plotWidth, plotHeight = 860, 420
	plotLeft, plotTop     = 80, 60
	plotRight, plotBottom = 50, 40
	areaWidth             = plotWidth - plotLeft - plotRight
	areaHeight            = plotHeight - plotTop - plotBottom
)

const plotHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img">
<title>Latency by percentile</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.a, .b { fill: none; stroke-width: 2; stroke-linejoin: round }
.a { stroke: #0969da } .b { stroke: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .ground { fill: #0d1117 } .grid { stroke: #3d444d } .a { stroke: #58a6ff } .b { stroke: #f0883e }
}
</style>
<rect class="ground" width="%[1]d" height="%[2]d"/>
`

// plot draws latencies over percentiles: each step to the right is a tenth of what is left up to 100 percent, so that the slowest,
// which matter most, have most of the room; upwards each step is ten times the time.
type plot struct {
	strings.Builder

	steps     float64 // to the right
	low, high float64 // powers of ten of milliseconds
}

// WriteSVG writes a plot of how long acknowledgements and deliveries took.
func (r Report) WriteSVG(w io.Writer) error {
	p := newPlot(r)
	fmt.Fprintf(&p.Builder, plotHead, plotWidth, plotHeight)
	p.text("title", plotLeft, 24, "start", fmt.Sprintf("Latency by percentile: %d readers, %s events and %s deliveries a second",
		r.Connected, number(r.Acknowledged.PerSecond), number(r.Deliveries.PerSecond)))
	p.grid()
	for i, s := range []struct {
		class, name string
		of          Series
	}{{"a", "deliveries", r.Deliveries}, {"b", "acknowledged", r.Acknowledged}} {
		x := float64(plotLeft + i*130)
		fmt.Fprintf(&p.Builder, "<path class=\"%s\" d=\"M%.1f 42h20\"/>\n", s.class, x)
		p.text("label", x+26, 46, "start", s.name)
		p.curve(s.class, s.of.histogram)
	}
	fmt.Fprintln(&p.Builder, "</svg>")
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

// newPlot returns a plot that has room for a report.
func newPlot(r Report) *plot {
	p := &plot{low: math.Inf(1), high: math.Inf(-1)}
	for _, s := range []Series{r.Deliveries, r.Acknowledged} {
		if s.Count > 0 {
			p.steps = max(p.steps, math.Log10(float64(s.Count)))
			p.low = min(p.low, exponent(s.histogram.quantile(0)))
			p.high = max(p.high, exponent(s.histogram.max))
		}
	}
	p.steps = max(math.Ceil(p.steps), 1)
	if math.IsInf(p.low, 0) {
		p.low, p.high = 0, 0
	}
	p.low, p.high = math.Floor(p.low), math.Ceil(p.high)
	if p.high <= p.low {
		p.high = p.low + 1
	}
	return p
}

// exponent returns the power of ten that a duration is, in milliseconds. Under a microsecond it is one.
func exponent(d time.Duration) float64 { return math.Log10(milliseconds(max(d, time.Microsecond))) }

func (p *plot) x(share float64) float64 {
	return plotLeft + min(-math.Log10(1-share), p.steps)/p.steps*areaWidth
}

func (p *plot) y(d time.Duration) float64 {
	return plotTop + areaHeight - (exponent(d)-p.low)/(p.high-p.low)*areaHeight
}

func (p *plot) text(class string, x, y float64, anchor, text string) {
	fmt.Fprintf(&p.Builder, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", class, x, y, anchor, text)
}

func (p *plot) grid() {
	for power := p.low; power <= p.high; power++ {
		y := plotTop + areaHeight - (power-p.low)/(p.high-p.low)*areaHeight
		fmt.Fprintf(&p.Builder, "<path class=\"grid\" d=\"M%d %.1fh%d\"/>\n", plotLeft, y, areaWidth)
		p.text("label", plotLeft-8, y+4, "end", fmt.Sprintf("%g ms", math.Pow(10, power)))
	}
	for step := 0.0; step <= p.steps; step++ {
		x := plotLeft + step/p.steps*areaWidth
		fmt.Fprintf(&p.Builder, "<path class=\"grid\" d=\"M%.1f %dv%d\"/>\n", x, plotTop, areaHeight)
		// As text: a floating point number would be 99.99000000000001.
		label := "0 %"
		switch {
		case step == 1:
			label = "90 %"
		case step == 2:
			label = "99 %"
		case step > 2:
			label = "99." + strings.Repeat("9", int(step)-2) + " %"
		}
		p.text("label", x, plotTop+areaHeight+20, "middle", label)
	}
}

// curve draws what a share of all did not exceed, for all shares. The points are so close that it looks round, and no more.
func (p *plot) curve(class string, h *histogram) {
	if h == nil || h.total == 0 {
		return
	}
	const dots = 200
	last := math.Log10(float64(h.total))
	fmt.Fprintf(&p.Builder, "<path class=\"%s\" d=\"M", class)
	for i := range dots + 1 {
		share := 1 - math.Pow(10, -last*float64(i)/dots)
		fmt.Fprintf(&p.Builder, "%.1f %.1f ", p.x(share), p.y(h.quantile(share)))
	}
	fmt.Fprintln(&p.Builder, `"/>`)
}
