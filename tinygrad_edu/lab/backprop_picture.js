// The picture of a graph, as SVG. Places come from the library, in characters and lines.
const CHARACTER = 7.9, LINE = 20;
// a number in as many characters as a box has room for
function short(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "−inf";
  const size = Math.abs(x), text = size && (size < 1e-3 || size >= 1e5) ? x.toExponential(1) : `${+x.toPrecision(4)}`;
  return (x === 0 ? "0" : text).replaceAll("-", "−");
}
const norm = (x) => Math.hypot(...flat(x));
// the rows of a value, as text
function rows_of(x, grid) {
  if (!grid.length) return [`(${np.shape(x).join(", ")}${np.ndim(x) === 1 ? "," : ""}), norm ${short(norm(x))}`];
  const numbers = flat(x).map(short), wide = grid[1];
  return Array.from({ length: grid[0] }, (_, i) => numbers.slice(i * wide, i * wide + wide));
}
// a curve through points, level at each
function curve(points) {
  const [[u, v], ...rest] = points.map(([a, b]) => [a * CHARACTER, b * LINE]);
  let text = `M${u} ${v}`, [x, y] = [u, v];
  for (const [a, b] of rest) {
    text += `C${(x + a) / 2} ${y} ${(x + a) / 2} ${b} ${a} ${b}`;
    [x, y] = [a, b];
  }
  return text;
}
const corners = ({ box: [x, y, w, h] }) => [(x - w / 2) * CHARACTER, (y - h / 2) * LINE, w * CHARACTER, h * LINE];
function text_at(x, y, words, kind, anchor = "middle") {
  return svg("text", { x, y, class: kind, "text-anchor": anchor }, words);
}

function view_of({ nodes, edges }) {
  const boxes = nodes.map(corners), between = edges.flatMap((edge) => edge.points.map(([, v]) => v * LINE));
  const top = Math.min(...between, ...boxes.map(([, y]) => y)) - 14;
  const low = Math.max(...between, ...boxes.map(([, y, , h]) => y + h)) + 14;
  const wide = Math.max(...boxes.map(([x, , w]) => x + w)) + 20;
  return { viewBox: `-10 ${top} ${wide} ${low - top}`, width: wide, height: low - top };
}

class GraphPicture {
  // graph : one of graphs; chosen(kind, i) and looked(kind, i) are called with "node" or "edge" and a number
  constructor(graph, { chosen, looked }) {
    const aria = { role: "group", "aria-label": "The graph. Up and down go through its parts." };
    this.graph = graph;
    this.svg = svg("svg", { ...view_of(graph), ...aria });
    this.edges = graph.edges.map((edge) => this.edge(edge));
    this.nodes = graph.nodes.map((node) => this.node(node));
    this.svg.append(...this.edges, ...this.nodes);
    this.parts = [...this.nodes, ...this.edges];
    for (const part of this.parts) {
      const i = Number(part.dataset.i), kind = part.dataset.kind;
      part.addEventListener("click", () => (this.rest(part), chosen(kind, i)));
      part.addEventListener("pointerenter", () => looked(kind, i));
      part.addEventListener("pointerleave", () => looked());
      part.addEventListener("focus", () => (this.rest(part), looked(kind, i)));
      part.addEventListener("blur", () => looked());
      part.addEventListener("keydown", (event) => this.key(event, part));
    }
    this.rest(this.nodes.at(-1));
  }
  // one part can be reached with Tab; the arrow keys go from it to the others
  rest(part) {
    for (const other of this.parts) other.setAttribute("tabindex", other === part ? 0 : -1);
  }
  key(event, part) {
    const turn = { ArrowDown: 1, ArrowUp: -1 }[event.key], n = this.parts.length;
    if (event.key === "Enter" || event.key === " ") part.dispatchEvent(new MouseEvent("click"));
    else if (turn) this.parts[(this.parts.indexOf(part) + turn + n) % n].focus();
    else return;
    event.preventDefault();
  }
  edge(edge) {
    const line = curve(edge.points), i = this.graph.edges.indexOf(edge), [a, b] = edge.points.slice(-2);
    const x = ((a[0] + b[0]) / 2) * CHARACTER, y = ((a[1] + b[1]) / 2) * LINE;
    const made = svg("g", { class: "edge", role: "button", "data-kind": "edge", "data-i": i });
    made.append(svg("path", { d: line, class: "reach" }), svg("path", { d: line, class: "line" }));
    const [u, v] = edge.points.at(-1).map((value, k) => value * [CHARACTER, LINE][k]);
    made.append(svg("path", { d: `M${u} ${v}l-9 -4.5v9z`, class: "head" }));
    return Object.assign(made, { label: made.appendChild(svg("g", { transform: `translate(${x} ${y})` })) });
  }
  node(node) {
    const [x, y, width, height] = corners(node), i = this.graph.nodes.indexOf(node);
    const made = svg("g", { class: `node ${node.kind}`, role: "button", "data-kind": "node", "data-i": i });
    made.append(svg("rect", { x, y, width, height, rx: 8 }));
    made.append(text_at(x + width / 2, y + 18, node.title, "title"));
    return Object.assign(made, { inside: made.appendChild(svg("g")) });
  }
  // the texts in a box: its value, and the part of its gradient that is known; counted: as ●○, a dot for each share
  fill(i, value, gradient, counted) {
    const { grid, kind } = this.graph.nodes[i], single = grid.join() === "1,1", known = gradient !== undefined;
    const lines = rows_of(value, grid).map((row) => [row, "value"]);
    const text = `∂ ${single && known ? short(flat(gradient)[0]) : ""} ${counted}`;
    if (kind !== "data") lines.push([text, "gradient"]);
    if (kind !== "data" && !single && known) lines.push(...rows_of(gradient, grid).map((row) => [row, "gradient"]));
    this.nodes[i].inside.replaceChildren(...lines.flatMap(([row, kind], line) => this.row(i, row, kind, line + 1)));
  }
  // a line of a box: a text, or numbers side by side
  row(i, row, kind, line) {
    const [x, y, width] = corners(this.graph.nodes[i]), at = y + 18 + LINE * line;
    if (typeof row === "string" || row.length === 1) return [text_at(x + width / 2, at, String(row), kind)];
    const wide = 8 * CHARACTER, left = x + width / 2 - (row.length / 2) * wide;
    return row.map((word, k) => text_at(left + (k + 0.5) * wide, at, word, kind));
  }
  // the words on an edge: [formula, number] for each share that goes over it; equal ones are said once
  label(i, pairs) {
    const keys = pairs.map(String), times = (key) => keys.filter((other) => other === key).length;
    const once = pairs.filter((_, k) => keys.indexOf(keys[k]) === k);
    const formulas = once.map((pair) => `${pair[0]}${times(String(pair)) > 1 ? ` (${times(String(pair))}×)` : ""}`);
    const numbers = once.map(([, number]) => [number, "number"]).filter(([number]) => number);
    const lines = [...formulas.flatMap(folded).map((text) => [text, "formula"]), ...numbers];
    const width = Math.max(0, ...lines.map(([text]) => text.length)) * 7.4 + 6, height = lines.length * 15 + 2;
    const back = lines.length ? [svg("rect", { x: -width / 2, y: -height / 2, width, height, rx: 4 })] : [];
    const texts = lines.map(([text, kind], k) => text_at(0, (k + 0.5) * 15 - height / 2 + 5.5, text, kind));
    this.edges[i].label.replaceChildren(...back, ...texts);
  }
  // classes by kind and number: { node: [...], edge: [...] }
  dress(classes) {
    this.nodes.forEach((node, i) => node.setAttribute("class", `node ${this.graph.nodes[i].kind} ${classes.node[i]}`));
    this.edges.forEach((edge, i) => edge.setAttribute("class", `edge ${classes.edge[i]}`));
  }
  // a dot that goes back along an edge, unless the reader wants no motion
  send(i) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const line = this.edges[i].querySelector(".line"), far = line.getTotalLength(), begin = performance.now();
    const dot = this.svg.appendChild(svg("circle", { r: 6, class: "dot" }));
    const move = (now) => {
      const { x, y } = line.getPointAtLength(far * (1 - Math.min(1, (now - begin) / 450)));
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      if (now - begin < 450 && dot.isConnected) requestAnimationFrame(move);
      else dot.remove();
    };
    move(begin);
  }
}
// a formula in lines of about twelve characters, three at most
function folded(formula) {
  const lines = [""];
  for (const word of formula.split(" ")) {
    if (lines.at(-1).length + word.length > 11 && lines.at(-1)) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  const short_lines = lines.map((line) => (line.length > 16 ? `${line.slice(0, 15)}…` : line));
  return lines.length > 3 ? [...short_lines.slice(0, 2), "…"] : short_lines;
}
