// Backprop: the backward pass through a graph, share by share.
{
const words = graph_words, state = { name: "meeting", at: 0, inputs: {}, mode: "watch", playing: 0 };
let graph, picture, now;

// --- the numbers ------------------------------------------------------------------------------------------------------
function compute() {
  const inputs = Object.fromEntries(Object.entries(state.inputs).map(([name, value]) => [name, np.array(value)]));
  const [, numbers] = graph.backprop(...Object.values(inputs));
  now = { ...inputs, ...numbers };
}
const total = () => graph.shares.length;
// what is known of a node's gradient: undefined, a part of the sum, or all of it
function gradient({ name }) {
  const last = words.come(graph, name, state.at).at(-1);
  return last ? now[last.sum] : name === graph.loss ? now[`d_${name}`] : undefined;
}
function dots({ name }) {
  const all = words.sent_to(graph, name).length, here = words.come(graph, name, state.at).length;
  return all > 1 ? (all > 4 ? `${here}/${all}` : "●".repeat(here) + "○".repeat(all - here)) : "";
}

// --- choose, step, draw -----------------------------------------------------------------------------------------------
function choose(name, inputs = {}) {
  state.name = name in graphs ? name : Object.keys(graphs)[0];
  graph = graphs[state.name];
  state.inputs = Object.fromEntries(Object.entries(graph.inputs).map(([key, { value }]) => [key, inputs[key] ?? value]));
  picture = new GraphPicture(graph, { chosen, looked });
  $("graph-name").value = state.name;
  $("graph-about").textContent = graph.about;
  $("graph-frame").replaceChildren(picture.svg);
  $("graph-at").max = total();
  make_table();
  make_lines();
  compute();
  go(0);
}
function go(at, moving = false) {
  state.at = Math.max(0, Math.min(total(), at));
  if (state.at === total()) play(false);
  draw();
  const share = graph.shares[state.at - 1];
  if (moving && share) picture.send(edge_of(share));
}
const edge_of = ({ node, to }) => graph.edges.findIndex((e) => graph.nodes[e.from].name === to && graph.nodes[e.to].name === node);
function draw() {
  const done = graph.shares.slice(0, state.at), last = done.at(-1), classes = { node: [], edge: [] };
  graph.nodes.forEach((node, i) => {
    const all = words.sent_to(graph, node.name), here = words.come(graph, node.name, state.at);
    classes.node[i] = here.length < all.length ? (here.length ? "part" : "waiting") : "complete";
    if (last && (node.name === last.node || node.name === last.to)) classes.node[i] += " current";
    picture.fill(i, now[node.name], gradient(node), dots(node));
    picture.nodes[i].setAttribute("aria-label", words.node(graph, node, now, state.at).join(". "));
  });
  graph.edges.forEach((edge, i) => {
    const shares = graph.shares.filter((share) => edge_of(share) === i), sent = shares.filter((share) => done.includes(share));
    classes.edge[i] = !shares.length ? "none" : sent.length === shares.length ? "sent" : sent.length ? "part" : "waiting";
    if (shares.includes(last)) classes.edge[i] += " current";
    const pairs = shares.map((share) => [share.formula, share.local && share.formula !== words.brief(now[share.local]) ? words.brief(now[share.local]) : ""]);
    picture.label(i, pairs);
    picture.edges[i].setAttribute("aria-label", shares.map((share) => words.edge(graph, share, now, state.at).join(". ")).join(". "));
  });
  picture.dress(classes);
  $("graph-at").value = state.at;
  $("graph-at-is").textContent = `${state.at} of ${total()}`;
  $("graph-back").disabled = $("graph-first").disabled = state.at === 0;
  $("graph-on").disabled = state.at === total();
  show_table();
  show_lines();
  looked();
}
function play(on) {
  clearInterval(state.playing);
  state.playing = on ? setInterval(() => go(state.at + 1, true), 1300) : 0;
  $("graph-play").textContent = on ? "Pause" : "Play";
  $("graph-play").setAttribute("aria-pressed", on);
  if (on) go(state.at === total() ? 0 : state.at + 1, true);
}

// --- what is said -----------------------------------------------------------------------------------------------------
function step_words() {
  if (!state.at) return [`the forward pass is done: ${graph.loss} = ${words.brief(now[graph.loss])}`, `the gradient of ${graph.loss} is 1: that is where the backward pass begins`];
  return words.edge(graph, graph.shares[state.at - 1], now, state.at);
}
function looked(kind, i) {
  const title = { node: () => graph.nodes[i].name, edge: () => "This edge" }[kind]?.();
  let lines = step_words();
  if (kind === "node") lines = words.node(graph, graph.nodes[i], now, state.at);
  if (kind === "edge")
    lines = graph.shares.filter((share) => edge_of(share) === i).flatMap((share) => words.edge(graph, share, now, state.at));
  if (kind === "edge" && !lines.length) lines = ["no gradient goes back here: what is at its other end is data"];
  $("graph-what").textContent = title ?? (state.at ? `Share ${state.at} of ${total()}` : "Before the first share");
  $("graph-words").replaceChildren(...lines.map((line) => element("p", { textContent: line })));
}
function chosen() {}
function make_lines() {
  const [forward, backward] = graph.lines, line = (text) => element("span", { textContent: `${text}\n` });
  const head = (text) => element("span", { textContent: `# ${text}\n`, className: "quiet" });
  $("graph-lines").replaceChildren(head("forward"), ...forward.map(line), head("backward"), ...backward.map(line));
}
function show_lines() {
  const here = state.at ? graph.shares[state.at - 1].lines : [`d_${graph.loss} = `];
  for (const span of $("graph-lines").children) {
    const marked = here.some((line) => span.textContent.startsWith(line));
    span.classList.toggle("marked", marked);
    if (marked) $("graph-lines").scrollTop = span.offsetTop - $("graph-lines").clientHeight / 2;
  }
}

// --- the table, with the inputs as fields -----------------------------------------------------------------------------
function make_table() {
  const rows = graph.nodes.map((node) => {
    const known = graph.inputs[node.name], open = known && node.grid.length && (!known.whole || node.name in graph.most);
    const value = element("td", {}, ...(open ? fields(node, known) : []));
    const head = element("th", { scope: "row", textContent: node.name });
    return element("tr", {}, head, element("td", { textContent: node.kind === "computed" ? node.origin : node.kind }), value, element("td"), element("td"));
  });
  const names = ["name", "computed as", "value", "gradient", "shares"];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: name })));
  $("graph-table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}
function fields(node, { whole }) {
  const [rows, columns] = node.grid, values = [state.inputs[node.name]].flat(Infinity);
  return Array.from({ length: rows }, (_, r) =>
    element("span", { className: "row" }, ...Array.from({ length: columns }, (_, c) => {
      const k = r * columns + c, place = values.length > 1 ? `[${rows > 1 ? `${r}, ` : ""}${c}]` : "";
      const field = element("input", { type: "number", step: whole ? 1 : 0.1, value: values[k] });
      if (whole) Object.assign(field, { min: 0, max: graph.most[node.name] });
      field.setAttribute("aria-label", `${node.name}${place}`);
      field.oninput = () => field.checkValidity() || !whole ? changed(node.name, k, field.valueAsNumber) : null;
      return field;
    })));
}
function changed(name, k, value) {
  if (!Number.isFinite(value)) return;
  let i = 0;
  const put = (part) => (Array.isArray(part) ? part.map(put) : i++ === k ? value : part);
  state.inputs[name] = put(state.inputs[name]);
  compute();
  draw();
}
function show_table() {
  [...$("graph-table").tBodies[0].rows].forEach((row, i) => {
    const node = graph.nodes[i], all = words.sent_to(graph, node.name).length, known = gradient(node);
    if (!row.cells[2].children.length) row.cells[2].textContent = words.brief(now[node.name]);
    row.cells[3].textContent = node.kind === "data" ? "–" : known === undefined ? "" : words.brief(known);
    row.cells[4].textContent = all ? `${words.come(graph, node.name, state.at).length} of ${all}` : "–";
  });
}

// --- the controls -----------------------------------------------------------------------------------------------------
for (const name in graphs) $("graph-name").append(new Option(graphs[name].title, name));
$("graph-name").onchange = () => choose($("graph-name").value);
$("graph-first").onclick = () => (play(false), go(0));
$("graph-back").onclick = () => (play(false), go(state.at - 1));
$("graph-on").onclick = () => (play(false), go(state.at + 1, true));
$("graph-play").onclick = () => play(!state.playing);
$("graph-at").oninput = () => (play(false), go(Number($("graph-at").value)));
$("graph-reset").onclick = () => choose(state.name);
$("backprop").addEventListener("keydown", (event) => {
  const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!turn || event.target.closest("input, select, pre") || event.altKey || event.ctrlKey || event.metaKey) return;
  play(false);
  go(state.at + turn, turn > 0);
  event.preventDefault();
});
choose("meeting");

tabs.backprop = {
  ready(good) {
    for (const part of document.querySelectorAll("#backprop button, #backprop input")) part.disabled = !good;
    if (good) draw();
  },
  show() {},
  hide: () => play(false),
  state: () => ({ graph: state.name, at: state.at, inputs: JSON.stringify(state.inputs) }),
  restore(kept) {
    let inputs = {};
    try {
      inputs = JSON.parse(kept.inputs ?? "{}");
    } catch {} // a link that was cut off
    choose(kept.graph, inputs);
    go(Number(kept.at) || 0);
  },
};
}
