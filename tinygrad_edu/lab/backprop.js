// Backprop: the backward pass through a graph, share by share.
// inputs : lists of numbers by name; now : all numbers by name; at : the shares that are sent; task : what the learner
// does alone, and asked : the node whose gradient it asks for
const view = { name: "", at: 0, inputs: {}, mode: "watch", playing: 0, open: false, task: null, asked: "", go };

// --- the numbers -----------------------------------------------------------------------------------------------------
function compute() {
  const inputs = Object.fromEntries(Object.entries(view.inputs).map(([name, value]) => [name, np.array(value)]));
  view.now = { ...inputs, ...view.graph.backprop(...Object.values(inputs))[1] };
  $("graph-script").textContent = python_of(view.graph, view.inputs);
}
const total = () => view.graph.shares.length;
// what is known of a node's gradient after so many shares: nothing, a part of the sum, or all of it
function gradient({ name }, at) {
  const last = words.come(view.graph, name, at).at(-1);
  return last ? view.now[last.sum] : name === view.graph.loss ? view.now[`d_${name}`] : undefined;
}
function dots({ name }, at) {
  const all = words.sent_to(view.graph, name).length, here = words.come(view.graph, name, at).length;
  if (name === view.asked) return "?";
  return all < 2 ? "" : all > 4 ? `${here}/${all}` : "●".repeat(here) + "○".repeat(all - here);
}
const box = (node, at) => [view.now[node.name], gradient(node, at), dots(node, at)];
function is_on({ from, to }, share) {
  const { nodes } = view.graph;
  return nodes[from].name === share.to && nodes[to].name === share.node;
}
const edge_of = (share) => view.graph.edges.findIndex((_, i) => shares_of(i).includes(share));
// the shares that go over an edge; where two nodes have as many edges as shares, each has its own
function shares_of(i) {
  const { edges } = view.graph, found = pair_of(i), beside = edges.filter((edge) => is_same(edge, edges[i]));
  return beside.length === found.length ? [found[beside.indexOf(edges[i])]] : found;
}
const pair_of = (i) => view.graph.shares.filter((share) => is_on(view.graph.edges[i], share));
const is_same = (a, b) => a.from === b.from && a.to === b.to;
// what stands on an edge; of edges side by side the first speaks for all
function labels_of(i) {
  const { edges } = view.graph, first = edges.findIndex((edge) => is_same(edge, edges[i]));
  return first === i ? pair_of(i).map(label) : [];
}
function label(share) {
  const number = share.local ? words.brief(view.now[share.local]) : "";
  return [share.formula, number === share.formula ? "" : number];
}

// --- choose a graph, take a step -------------------------------------------------------------------------------------
function choose(name, inputs = {}) {
  const graph = graphs[name] ?? graphs[(name = Object.keys(graphs)[0])];
  const usable = ([key, { value }]) => [key, fits(inputs[key], value) ? inputs[key] : value];
  const picture = new GraphPicture(graph, { chosen: (kind, i) => view.task?.chosen(kind, i), looked });
  Object.assign(view, { name, graph, picture, inputs: Object.fromEntries(Object.entries(graph.inputs).map(usable)) });
  size_picture();
  $("graph-frame").replaceChildren(picture.svg);
  $("graph-name").value = name;
  $("graph-about").textContent = graph.about;
  $("graph-code").textContent = graph.code;
  $("graph-code").hidden = !graph.code;
  $("graph-at").max = total();
  make_table();
  make_lines();
  compute();
  begin_mode(view.mode);
}
const size_picture = () =>
  $("graph-figure").style.setProperty("--natural", `${em * view.picture.svg.getAttribute("width")}px`);
// inputs of a link have to be numbers, as many as there were
function fits(a, b) {
  if (!Array.isArray(b)) return Number.isFinite(a);
  return Array.isArray(a) && a.length === b.length && b.every((part, i) => fits(a[i], part));
}
function begin_mode(mode) {
  play(false);
  Object.assign(view, { mode, asked: "" });
  view.task = mode === "watch" ? null : tasks[mode](view);
  document.querySelector(`[name=graph-mode][value=${mode}]`).checked = true;
  $("graph-task").hidden = mode === "watch";
  $("graph-task").replaceChildren(...(view.task?.box ?? []));
  $("graph-naive").parentElement.hidden = mode === "quiz"; // it would say the answers
  if (view.task) view.task.begin();
  else go(0);
}
function go(at, moving = false) {
  view.at = Math.max(0, Math.min(total(), at));
  if (view.at === total()) play(false);
  draw();
  const share = view.graph.shares[view.at - 1];
  if (!share) return;
  const said = spoken(words.edge(view.graph, share, view.now, view.at));
  $("graph-said").textContent = `${share.node} sends to ${share.to}. ${said}`;
  if (moving) view.picture.send(edge_of(share));
}
const spoken = (lines) => lines.map((pair) => pair.filter(Boolean).join(": ")).join(". ");
function play(on) {
  clearInterval(view.playing);
  view.playing = on ? setInterval(() => go(view.at + 1, true), 1300) : 0;
  $("graph-play").textContent = on ? "Pause" : "Play";
  $("graph-play").setAttribute("aria-pressed", on);
  if (on) go(view.at === total() ? 0 : view.at + 1, true);
}

// --- what is seen ----------------------------------------------------------------------------------------------------
function draw() {
  const { graph, now, at, picture } = view, last = graph.shares[at - 1];
  graph.nodes.forEach((node, i) => {
    picture.fill(i, ...box(node, at));
    picture.nodes[i].setAttribute("aria-label", spoken(node_words(i)));
  });
  graph.edges.forEach((_, i) => {
    picture.label(i, labels_of(i));
    picture.edges[i].setAttribute("aria-label", spoken(edge_words(i)));
  });
  const node = graph.nodes.map((node) => node_class(node, last)), edge = graph.edges.map((_, i) => edge_class(i, last));
  picture.dress({ node, edge });
  show_controls();
  show_table();
  show_lines();
  looked();
  $("graph-naive").replaceChildren(...paths_panel(graph, now, light));
  keep_in_sight(last);
}
function node_class({ name }, last) {
  const all = words.sent_to(view.graph, name).length, here = words.come(view.graph, name, view.at).length;
  const current = [last?.node, last?.to].includes(name) ? " current" : "", asked = name === view.asked ? " asked" : "";
  return `${here === all ? "complete" : here ? "part" : "waiting"}${current}${asked}`;
}
function edge_class(i, last) {
  const shares = shares_of(i), sent = shares.filter((share) => view.graph.shares.indexOf(share) < view.at).length;
  const how = !shares.length ? "none" : sent === shares.length ? "sent" : sent ? "part" : "waiting";
  return `${how}${shares.includes(last) ? " current" : ""}`;
}
function show_controls() {
  const { at, mode, open } = view, off = !open || mode !== "watch";
  for (const part of document.querySelectorAll("#backprop .controls :is(button, input, select)")) part.disabled = !open;
  $("graph-at").value = at;
  $("graph-at-is").textContent = `${at} of ${total()}`;
  $("graph-back").disabled = $("graph-first").disabled = off || at === 0;
  $("graph-on").disabled = off || at === total();
  $("graph-play").disabled = $("graph-at").disabled = off;
}
// where the picture is wider than the screen, what happens stays in it
function keep_in_sight(last) {
  const { picture: { svg }, graph } = view, frame = $("graph-frame");
  const middle = (name) => words.node_of(graph, name).box[0];
  const x = last ? (middle(last.node) + middle(last.to)) / 2 : middle(graph.loss);
  frame.scrollLeft = (x * CHARACTER * svg.clientWidth) / svg.getAttribute("width") - frame.clientWidth / 2;
}
function light(via) {
  const lit = new Set(via?.map((i) => edge_of(view.graph.shares[i])));
  view.picture.edges.forEach((edge, i) => edge.classList.toggle("lit", lit.has(i)));
}

// --- what is said ----------------------------------------------------------------------------------------------------
const NO_GRADIENT = [["", "No gradient goes back here: at its other end are data."]];
function node_words(i) {
  return words.node(view.graph, view.graph.nodes[i], view.now, view.at, view.mode === "quiz");
}
function edge_words(i) {
  const { graph, now, at, mode } = view, shares = shares_of(i);
  return shares.length ? shares.flatMap((share) => words.edge(graph, share, now, at, mode === "quiz")) : NO_GRADIENT;
}
function step_words() {
  const { graph, now, at } = view, { loss } = graph;
  const begin = `The backward pass begins at ${loss}, which grows as fast as itself.`;
  if (at) return words.edge(graph, graph.shares[at - 1], now, at);
  return [["forward", `${loss} = ${words.brief(now[loss])}`], ["backward", `d_${loss} = 1`], ["", begin]];
}
function looked(kind, i) {
  const { graph, at } = view, share = graph.shares[at - 1], way = ({ node, to }) => `${node} sends to ${to}`;
  let title = share ? `Share ${at} of ${total()}: ${way(share)}` : "Before the first share", lines = step_words();
  if (kind === "node") [title, lines] = [graph.nodes[i].name, node_words(i)];
  if (kind === "edge") [title, lines] = [shares_of(i).length ? way(shares_of(i)[0]) : "data", edge_words(i)];
  $("graph-what").textContent = title;
  $("graph-words").replaceChildren(...lines.flatMap(([label, textContent]) => {
    if (!label) return [element("dd", { textContent, className: "plain" })];
    return [element("dt", { textContent: label }), element("dd", { textContent })];
  }));
}
// a part that explains itself under the pointer, or with the focus in it
function explaining(part, kind, i) {
  for (const event of ["pointerenter", "focusin"]) part.addEventListener(event, () => looked(kind, i));
  for (const event of ["pointerleave", "focusout"]) part.addEventListener(event, () => looked());
  return part;
}
function make_lines() {
  const head = (text) => element("span", { textContent: `# ${text}`, className: "remark" });
  const { lines: [first, begin], shares } = view.graph, sent = shares.flatMap(({ lines }) => lines);
  const [forward, backward] = [first, [...begin, ...sent]].map((lines) => lines.map(line_of));
  $("graph-lines").replaceChildren(head("forward"), ...forward, head("backward"), ...backward);
}
function line_of(textContent) {
  const { shares, nodes } = view.graph, made = element("span", { textContent }), [name] = textContent.split(" = ");
  const share = shares.find(({ lines }) => lines.includes(textContent));
  const node = nodes.findIndex((node) => [node.name, `d_${node.name}`].includes(name));
  if (share) return explaining(made, "edge", edge_of(share));
  return node < 0 ? made : explaining(made, "node", node);
}
function show_lines() {
  const { graph, at } = view, list = $("graph-lines");
  const here = at ? graph.shares[at - 1].lines : graph.lines[1];
  for (const span of list.children) {
    const marked = here.includes(span.textContent);
    span.classList.toggle("marked", marked);
    if (marked) list.scrollTop = span.offsetTop - list.clientHeight / 2;
  }
}

// --- the table, with the inputs as fields ----------------------------------------------------------------------------
function make_table() {
  const { graph } = view, cell = (textContent) => element("td", { textContent });
  const rows = graph.nodes.map((node) => {
    const known = graph.inputs[node.name], free = known && (!known.whole || node.name in graph.most);
    const open = free && node.grid.length;
    const value = element("td", {}, ...(open ? fields(node, known) : []));
    const head = element("th", { scope: "row", textContent: node.name });
    const cells = [head, cell(node.kind === "computed" ? node.origin : node.kind), value, cell(""), cell("")];
    return explaining(element("tr", {}, ...cells), "node", graph.nodes.indexOf(node));
  });
  const names = ["name", "computed as", "value", "gradient", "shares"];
  const head = element("tr", {}, ...names.map((textContent) => element("th", { scope: "col", textContent })));
  $("graph-table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}
function fields(node, { whole }) {
  const [rows, columns] = node.grid, values = [view.inputs[node.name]].flat(Infinity);
  const field = (k) => {
    const made = element("input", { type: "number", step: whole ? 1 : "any", value: +values[k].toPrecision(6) });
    if (whole) Object.assign(made, { min: 0, max: view.graph.most[node.name] });
    const place = values.length > 1 ? `[${rows > 1 ? `${Math.floor(k / columns)}, ` : ""}${k % columns}]` : "";
    made.setAttribute("aria-label", `${node.name}${place}`);
    made.oninput = () => made.checkValidity() && changed(node.name, k, made.valueAsNumber);
    return made;
  };
  const row = (r) => Array.from({ length: columns }, (_, c) => field(r * columns + c));
  return Array.from({ length: rows }, (_, r) => element("span", { className: "row" }, ...row(r)));
}
function changed(name, k, value) {
  if (!Number.isFinite(value)) return;
  let i = 0;
  const put = (part) => (Array.isArray(part) ? part.map(put) : i++ === k ? value : part);
  view.inputs[name] = put(view.inputs[name]);
  compute();
  draw();
}
function show_table() {
  const { graph, now, at } = view;
  [...$("graph-table").tBodies[0].rows].forEach((row, i) => {
    const node = graph.nodes[i], all = words.sent_to(graph, node.name).length, known = gradient(node, at);
    const lines = (x) => rows_of(x, node.grid).map((line) => [line].flat().join("  ")).join("\n");
    if (!row.cells[2].children.length) row.cells[2].textContent = lines(now[node.name]);
    row.cells[3].textContent = node.kind === "data" ? "–" : known === undefined ? "" : lines(known);
    row.cells[4].textContent = all ? `${words.come(graph, node.name, at).length} of ${all}` : "–";
  });
}

// --- the controls ----------------------------------------------------------------------------------------------------
function save() {
  const { graph } = view, labels = graph.edges.map((_, i) => labels_of(i));
  const frame = (at) => graph.nodes.map((node) => {
    const parts = box(node, at), [, gradient, dots] = parts;
    return { parts, key: `${words.brief(gradient)} ${dots}` };
  });
  const frames = Array.from({ length: total() + 1 }, (_, at) => frame(at));
  const file = new Blob([animation(graph, labels, frames)], { type: "image/svg+xml" });
  element("a", { href: URL.createObjectURL(file), download: `${view.name}.svg` }).click();
  $("graph-done").textContent = `${view.name}.svg is saved: a browser plays it.`;
}
function copy() {
  navigator.clipboard?.writeText($("graph-script").textContent).catch(() => {}); // then it can be selected below
  $("graph-done").textContent = "The script is copied, and stands below. It prints these gradients.";
}
for (const name in graphs) $("graph-name").append(new Option(graphs[name].title, name));
for (const choice of document.querySelectorAll("[name=graph-mode]")) choice.onchange = () => begin_mode(choice.value);
const by_hand = { first: () => go(0), back: () => go(view.at - 1), on: () => go(view.at + 1, true) };
for (const name in by_hand) $(`graph-${name}`).onclick = () => (play(false), by_hand[name]());
$("graph-name").onchange = () => choose($("graph-name").value);
$("graph-play").onclick = () => play(!view.playing);
$("graph-at").oninput = () => (play(false), go(Number($("graph-at").value)));
$("graph-reset").onclick = () => choose(view.name);
$("graph-python").onclick = copy;
$("graph-save").onclick = save;
$("backprop").addEventListener("keydown", (event) => {
  const button = { ArrowRight: $("graph-on"), ArrowLeft: $("graph-back") }[event.key];
  if (!button || event.target.closest("input, select, pre") || event.altKey || event.ctrlKey || event.metaKey) return;
  button.click(); // a button that is off does nothing
  event.preventDefault();
});
choose("meeting");

tabs.backprop = {
  lessons: LESSONS,
  parts: PARTS,
  ready(good) {
    view.open = good;
    show_controls();
  },
  show() {
    size_picture();
    show_lines(); // what is hidden cannot scroll
    keep_in_sight(view.graph.shares[view.at - 1]);
  },
  hide: () => play(false),
  state() {
    const { name, at, mode, inputs, graph } = view;
    const other = Object.entries(inputs).filter(([key, value]) => String(value) !== String(graph.inputs[key].value));
    return { graph: name, at, mode, ...(other.length ? { inputs: JSON.stringify(Object.fromEntries(other)) } : {}) };
  },
  restore(link) {
    const kept = { ...begun("backprop"), ...link };
    let inputs = {};
    try {
      inputs = JSON.parse(kept.inputs ?? "{}") ?? {};
    } catch {} // a link that was cut off
    view.mode = ["next", "quiz"].find((mode) => mode === kept.mode) ?? "watch";
    choose(kept.graph, inputs);
    if (view.mode === "watch") go(Number(kept.at) || 0);
  },
};
