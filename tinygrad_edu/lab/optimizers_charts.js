// Numbers over time, as lines that grow.

// The text of a line: what was drawn stays, so that a frame costs its new points alone. point : the place of a number,
// or null, which lifts the pen. A point that is less than half a pixel from the last is left out
class Trail {
  constructor(point) {
    this.point = point;
    this.clear();
  }
  clear() {
    Object.assign(this, { n: 0, d: "", u: NaN, v: NaN, pen: "M" });
  }
  upto(last) {
    if (this.n > last + 1) this.clear();
    for (; this.n <= last; this.n++) {
      const at = this.point(this.n);
      if (at === null) this.pen = "M";
      else if (this.pen === "M" || !(Math.abs(at[0] - this.u) + Math.abs(at[1] - this.v) < 0.5)) {
        this.d += `${this.pen}${at[0].toFixed(1)} ${at[1].toFixed(1)}`;
        [this.u, this.v, this.pen] = [...at, "L"];
      }
    }
    return this.d;
  }
}
const dot = (at) => `M${at[0].toFixed(1)} ${at[1].toFixed(1)}h0`;

// log : a logarithmic axis. series : [{ name, values, kind, dash, shape, first, upto, dots }]
class Chart {
  constructor(host, { log = false, unit = "step", height = 190 } = {}) {
    Object.assign(this, { host, log, unit, height, series: [], n: 1, now: null });
    this.picture = svg("svg", { class: "chart", role: "img", tabindex: 0, "aria-label": host.dataset.name });
    this.picture.says = (event) => this.says(event);
    host.append(this.picture);
    this.measure();
  }
  // looks how wide it may be. Not in each frame: to ask is to have the page laid out
  measure() {
    this.width = this.host.clientWidth || 300;
  }
  draw(series, n, now = null) {
    const scale = this.scale(series, n), { edge, height, x } = scale;
    if (scale.key !== this.measures?.key) this.frame(series, n, scale);
    Object.assign(this, { series, n, now });
    this.clock.setAttribute("d", now === null ? "" : `M${x(now)} ${edge.top}V${height - edge.bottom}`);
    for (const line of series) this.line(line);
  }
  // the least and the largest number that can be drawn
  ends(series) {
    let low = Infinity, high = -Infinity;
    for (const { values } of series)
      for (const z of values)
        if (Number.isFinite(z) && (z > 0 || !this.log)) [low, high] = [Math.min(low, z), Math.max(high, z)];
    return low > high ? [1, 1] : [low, high];
  }
  scale(series, n) {
    const { width } = this, height = this.height * em, edge = { left: 52 * em, right: 12 * em, top: 10 * em, bottom: 24 * em };
    const of = (z) => (this.log ? Math.log10(Math.max(z, 1e-12)) : z);
    let [low, high] = this.ends(series).map(of);
    [low, high] = this.log ? [Math.floor(low + 1e-9), Math.ceil(high - 1e-9)] : [Math.min(0, low), high];
    if (high <= low) high = low + 1;
    const x = (t) => edge.left + ((width - edge.left - edge.right) * t) / n;
    const y = (z) => edge.top + ((height - edge.top - edge.bottom) * (high - Math.max(low, of(z)))) / (high - low);
    const key = [width, em, low, high, n, ...series.map(({ name, kind }) => name + kind)].join();
    return { width, height, edge, low, high, x, y, key };
  }
  // the axes, and an empty line for each series
  frame(series, n, scale) {
    const { width, height, edge, x, y } = scale, parts = [];
    this.measures = scale;
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.setAttribute("height", height);
    for (const [text, z] of this.marks(scale)) {
      parts.push(svg("path", { class: "grid", d: `M${edge.left} ${y(z)}H${width - edge.right}` }));
      parts.push(write(text, edge.left - 6, y(z) + 4 * em, "tick", "end"));
    }
    for (const t of ticks(0, n, 5)) {
      const anchor = t === 0 ? "start" : t === n ? "end" : "middle";
      parts.push(write(t ? short(t) : `${this.unit} 0`, x(t), height - 6, "tick", anchor));
    }
    this.clock = svg("path", { class: "now" });
    this.lines = new Map(series.map(({ name, kind, dash = "none", shape = "", dots }) => {
      const line = svg("path", { class: `${kind} ${dots ? "dots" : "path"}`, "stroke-dasharray": dash });
      return [name, { line, mark: svg("path", { class: `${kind} mark`, d: shape }) }];
    }));
    for (const { line, mark } of this.lines.values()) parts.push(line, mark);
    this.picture.replaceChildren(this.clock, ...parts);
  }
  marks({ low, high }) {
    if (!this.log) return ticks(low, high, 5).map((z) => [short(z), z]);
    const every = Math.max(1, Math.ceil((high - low) / 5)), n = Math.floor((high - low) / every) + 1;
    return Array.from({ length: n }, (_, i) => low + i * every).map((e) => [e ? `1e${e}` : "1", 10 ** e]);
  }
  line({ name, values, shape, first = 0, dots = false, upto = values.length - 1 }) {
    const kept = this.lines.get(name), { x, y } = this.measures;
    const at = (i) => (Number.isFinite(values[i]) ? [x(i + first), y(values[i])] : null);
    if (dots) return kept.line.setAttribute("d", values.map((_, i) => at(i)).filter(Boolean).map(dot).join(""));
    if (kept.values !== values) Object.assign(kept, { values, trail: new Trail(at) });
    kept.line.setAttribute("d", kept.trail.upto(upto));
    if (shape) kept.mark.setAttribute("transform", `translate(${at(upto) ?? [-99, -99]})`);
  }
  // the step at a place on the screen
  step_at(event) {
    const { left, width } = this.picture.getBoundingClientRect(), { edge, width: own } = this.measures;
    const share = (((event.clientX - left) / width) * own - edge.left) / (own - edge.left - edge.right);
    return Math.round(Math.min(1, Math.max(0, share)) * this.n);
  }
  // the numbers at the step that is pointed at, or else at the one that is shown
  says(event) {
    const t = event.type === "pointermove" ? this.step_at(event) : this.now ?? this.n;
    const text = (z) => (z === undefined ? "–" : figure(z));
    const rows = this.series.map(({ name, values, first = 0 }) => `${name}: ${text(values[t - first])}`);
    return [`${this.unit} ${t}`, ...rows].join("\n");
  }
}
