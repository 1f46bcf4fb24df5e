// Numbers over time: the axes, and lines before them.

// log : a logarithmic axis. series : [{ name, values, kind, dash, shape, first, upto, dots }]
class Chart {
  constructor(host, { log = false, unit = "step", height = 190 } = {}) {
    Object.assign(this, { host, log, unit, height, series: [], n: 1, now: null, trails: new Trails(), seen: new WeakMap() });
    this.picture = svg("svg", { class: "chart", role: "img", tabindex: 0, "aria-label": host.dataset.name });
    this.picture.says = (event) => this.says(event);
    host.append(this.picture, ...this.trails.canvases);
    this.measure();
  }
  // looks how wide it may be. Not in each frame: to ask is to have the page laid out
  measure() {
    Object.assign(this, { width: this.host.clientWidth || 300, measures: null });
  }
  draw(series, n, now = null) {
    const scale = this.scale(series, n);
    if (scale.key !== this.measures?.key) this.frame(n, scale);
    Object.assign(this, { series, n, now });
    this.trails.draw(this.measures, scale, series.map((line) => this.line(line)), (pen) => now !== null && this.clock(pen, now));
  }
  // the least and the largest number that can be drawn; of rules that left the picture only if there are no others
  ends(series) {
    const stay = series.filter(({ gone = null }) => gone === null);
    const ends = (stay.length ? stay : series).map(({ values }) => this.ends_of(values));
    const low = Math.min(...ends.map(({ low }) => low)), high = Math.max(...ends.map(({ high }) => high));
    return low > high ? [1, 1] : [low, high];
  }
  // those of numbers that may have become more since they were asked for last
  ends_of(values) {
    if (!this.seen.has(values)) this.seen.set(values, { n: 0, low: Infinity, high: -Infinity });
    const kept = this.seen.get(values);
    for (; kept.n < values.length; kept.n++) {
      const z = values[kept.n], fits = Number.isFinite(z) && (z > 0 || !this.log);
      if (fits) Object.assign(kept, { low: Math.min(kept.low, z), high: Math.max(kept.high, z) });
    }
    return kept;
  }
  scale(series, n) {
    const { width } = this, height = this.height * em, edge = { left: 52 * em, right: 12 * em, top: 10 * em, bottom: 24 * em };
    const of = (z) => (this.log ? Math.log10(Math.max(z, 1e-12)) : z);
    let [low, high] = this.ends(series).map(of);
    [low, high] = this.log ? [Math.floor(low + 1e-9), Math.ceil(high - 1e-9)] : [Math.min(0, low), high];
    if (high <= low) high = low + 1;
    const x = (t) => edge.left + ((width - edge.left - edge.right) * t) / n;
    const y = (z) => edge.top + ((height - edge.top - edge.bottom) * (high - Math.min(high, Math.max(low, of(z))))) / (high - low);
    const key = [width, em, low, high, n, ...series.map(({ name, kind }) => name + kind)].join();
    return { width, height, edge, low, high, x, y, key, empty: !series.length };
  }
  // a line at the step that is shown
  clock(pen, now) {
    const { x, edge, height } = this.measures;
    pen.strokeStyle = this.ink;
    pen.setLineDash([2, 3]);
    pen.beginPath();
    pen.moveTo(x(now), edge.top);
    pen.lineTo(x(now), height - edge.bottom);
    pen.stroke();
    pen.setLineDash([]);
  }
  // the axes
  frame(n, scale) {
    const { width, height, edge, x, y } = scale, parts = [];
    Object.assign(this, { measures: scale, ink: colour("text"), places: new WeakMap() });
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.setAttribute("height", height);
    for (const [text, z] of scale.empty ? [] : this.marks(scale)) {
      parts.push(svg("path", { class: "grid", d: `M${edge.left} ${y(z)}H${width - edge.right}` }));
      parts.push(write(text, edge.left - 6, y(z) + 4 * em, "tick", "end"));
    }
    for (const t of ticks(0, n, 5)) {
      const anchor = t === 0 ? "start" : t === n ? "end" : "middle";
      parts.push(write(t ? short(t) : `${this.unit} 0`, x(t), height - 6, "tick", anchor));
    }
    this.picture.replaceChildren(...parts);
  }
  marks({ low, high }) {
    if (!this.log) return ticks(low, high, 5).map((z) => [short(z), z]);
    const every = Math.max(1, Math.ceil((high - low) / 5)), n = Math.floor((high - low) / every) + 1;
    return Array.from({ length: n }, (_, i) => low + i * every).map((e) => [e ? `1e${e}` : "1", 10 ** e]);
  }
  // a series as a line, whose end has its mark
  line({ values, shape, first = 0, upto = values.length - 1, ...looks }) {
    const { x, y } = this.measures, place = (i) => (Number.isFinite(values[i]) ? [x(i + first), y(values[i])] : null);
    if (!this.places.has(values)) this.places.set(values, place);
    const at = this.places.get(values), end = shape && at(upto);
    return { at, upto, ...looks, tip: end && [shape, end, 1] };
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
