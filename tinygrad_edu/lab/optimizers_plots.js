// Pictures as SVG: marks, lines over time, and a picture of its own as a file.
function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
// how a rule looks: a colour, a dash and a mark, the same in every picture
const SHAPES = [
  "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1 -5 0Z", "M-4.5 -4.5H4.5V4.5H-4.5Z", "M0 -5.5L5.5 4.5H-5.5Z", "M0 -6L6 0L0 6L-6 0Z",
  "M0 5.5L5.5 -4.5H-5.5Z", "M-2 -5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z", "M-5.5 -5.5L0 -2.2L5.5 -5.5L2.2 0L5.5 5.5L0 2.2L-5.5 5.5L-2.2 0Z",
  "M0 -6L1.6 -1.9L6 -1.9L2.5 0.9L3.7 5.2L0 2.6L-3.7 5.2L-2.5 0.9L-6 -1.9L-1.6 -1.9Z",
];
const DASHES = ["none", "8 3", "8 3 2 3"];
function look(rule) {
  const k = facts.order.indexOf(rule);
  return { kind: `rule r${colours[rule] ?? k % 8}`, dash: DASHES[k % 3], shape: SHAPES[(k + Math.floor(k / 8)) % 8] };
}
let colours = {}; // of the rules that race
// each its own colour, as far as eight go: if an earlier one has it, the first that is free
function choose_colours(chosen) {
  colours = {};
  for (const rule of chosen) {
    const taken = Object.values(colours), wanted = facts.order.indexOf(rule) % 8;
    const free = [...SHAPES.keys()].find((k) => !taken.includes(k)) ?? wanted;
    colours[rule] = taken.includes(wanted) ? free : wanted;
  }
}
function swatch(rule) {
  const { kind, dash, shape } = look(rule), picture = svg("svg", { viewBox: "0 0 36 14", width: 36, height: 14, "aria-hidden": true });
  picture.append(svg("path", { d: "M0 7H36", class: `${kind} path`, "stroke-dasharray": dash }));
  picture.append(svg("path", { d: shape, class: `${kind} mark`, transform: "translate(18 7)" }));
  return picture;
}
// round numbers between two, at most n
function ticks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((a) => a * power).find((a) => a >= rough), found = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}
const short = (x) => (x === 0 ? "0" : Math.abs(x) >= 1e4 || Math.abs(x) < 1e-3 ? x.toExponential(0).replace("e+", "e") : String(Number(x.toPrecision(4))));

// The text of a line that grows: what was drawn stays, so that a frame costs its new points alone. A point that is less
// than half a pixel from the last is left out; null lifts the pen
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

// Numbers over time. series : [{ name, values, kind, dash, shape, first, upto, dots }]; log : a logarithmic axis
class Chart {
  constructor(host, { log = false, unit = "step", height = 190 }) {
    Object.assign(this, { host, log, unit, height, series: [], n: 1, lines: new Map() });
    this.picture = svg("svg", { class: "chart", role: "img", tabindex: 0, "aria-label": host.dataset.name });
    host.append(this.picture);
  }
  scale(series, n) {
    const width = this.host.clientWidth || 300, { height } = this, edge = { left: 52, right: 12, top: 10, bottom: 24 };
    const floor = this.log ? 1e-12 : -Infinity, of = (z) => (this.log ? Math.log10(Math.max(z, floor)) : z);
    let low = Infinity, high = -Infinity;
    for (const { values } of series)
      for (const z of values) if (Number.isFinite(z) && (z > 0 || !this.log)) [low, high] = [Math.min(low, z), Math.max(high, z)];
    [low, high] = low > high ? [0, 1] : [of(low), of(high)];
    [low, high] = this.log ? [Math.floor(low + 1e-9), Math.ceil(high - 1e-9)] : [Math.min(0, low), high];
    if (high <= low) high = low + 1;
    const x = (t) => edge.left + ((width - edge.left - edge.right) * t) / n;
    const y = (z) => edge.top + ((height - edge.top - edge.bottom) * (high - Math.max(low, of(z)))) / (high - low);
    return { width, height, edge, low, high, x, y, key: [width, low, high, n, series.map(({ name, kind }) => name + kind)].join() };
  }
  draw(series, n, now = null) {
    const scale = this.scale(series, n), { edge, height, x } = scale;
    if (scale.key !== this.measures?.key) this.frame(series, n, scale);
    Object.assign(this, { series, n, now });
    this.clock.setAttribute("d", now === null ? "" : `M${x(now)} ${edge.top}V${height - edge.bottom}`);
    for (const line of series) this.line(line);
  }
  // the axes, and an empty line for each series
  frame(series, n, scale) {
    const { width, height, edge, low, high, x, y } = scale, every = Math.max(1, Math.ceil((high - low) / 5)), parts = [];
    this.measures = scale;
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.setAttribute("height", height);
    const powers = Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, i) => low + i * every);
    const marks = this.log ? powers.map((e) => [e ? `1e${e}` : "1", 10 ** e]) : ticks(low, high, 5).map((z) => [short(z), z]);
    for (const [text, z] of marks) {
      parts.push(svg("path", { class: "grid", d: `M${edge.left} ${y(z)}H${width - edge.right}` }));
      parts.push(svg("text", { class: "tick", x: edge.left - 6, y: y(z) + 4, "text-anchor": "end" }, text));
    }
    for (const t of ticks(0, n, 5)) {
      const place = { class: "tick", x: x(t), y: height - 6, "text-anchor": t === 0 ? "start" : t === n ? "end" : "middle" };
      parts.push(svg("text", place, t ? short(t) : `${this.unit} 0`));
    }
    this.clock = svg("path", { class: "now" });
    this.lines = new Map(series.map(({ name, kind, dash = "none", shape = "", dots }) => {
      const line = svg("path", { class: `${kind} ${dots ? "dots" : "path"}`, "stroke-dasharray": dash });
      return [name, { line, mark: svg("path", { class: `${kind} mark`, d: shape }) }];
    }));
    this.picture.replaceChildren(...parts, this.clock, ...[...this.lines.values()].flatMap(({ line, mark }) => [line, mark]));
  }
  line({ name, values, shape, first = 0, dots = false, upto = values.length - 1 }) {
    const kept = this.lines.get(name), { x, y } = this.measures, seen = (i) => Number.isFinite(values[i]);
    const at = (i) => (seen(i) ? [x(i + first), y(values[i])] : null);
    if (dots) return kept.line.setAttribute("d", [...values.keys()].filter(seen).map((i) => `M${at(i).map((u) => u.toFixed(1))}h0`).join(""));
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
}
// --- explanations: what has data-says, or a says function, tells it when the pointer or the focus comes to it ---------
function explains(section) {
  const bubble = element("div", { className: "says", id: `${section.id}-says`, hidden: true });
  bubble.setAttribute("role", "tooltip");
  section.append(bubble);
  let spoken = null;
  const hide = () => {
    spoken?.removeAttribute("aria-describedby");
    spoken = null;
    bubble.hidden = true;
  };
  const show = (event) => {
    const target = event.composedPath().find((part) => part.says || part.dataset?.says);
    const text = target?.says?.(event) ?? target?.dataset?.says;
    if (!text) return hide();
    if (spoken !== target) hide();
    spoken = target;
    if (event.type === "focusin") target.setAttribute("aria-describedby", bubble.id);
    bubble.textContent = text;
    bubble.hidden = false;
    const box = target.getBoundingClientRect(), mouse = event.type === "pointermove";
    const { offsetWidth: w, offsetHeight: h } = bubble, wide = document.documentElement.clientWidth;
    const x = mouse ? event.clientX + 14 : box.left, y = mouse ? event.clientY + 16 : box.bottom + 6;
    bubble.style.left = `${Math.max(4, Math.min(x, wide - w - 4))}px`;
    bubble.style.top = `${y + h > innerHeight ? Math.max(4, (mouse ? event.clientY : box.top) - h - 10) : y}px`;
  };
  section.addEventListener("pointermove", show);
  section.addEventListener("focusin", show);
  section.addEventListener("pointerleave", hide);
  section.addEventListener("focusout", hide);
  section.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  section.addEventListener("keyup", (event) => spoken?.says && (bubble.textContent = spoken.says(event)));
}
// --- files ----------------------------------------------------------------------------------------------------------
const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "font-size", "font-family", "paint-order", "display"];
// an SVG that needs no style sheet: what the page's style says of each part stands in it
function standing_alone(picture) {
  const copy = picture.cloneNode(true), from = [picture, ...picture.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((part, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of KEPT) if (from[i] instanceof SVGElement) part.setAttribute(name, style.getPropertyValue(name));
    part.removeAttribute("class");
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return copy;
}
function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
