// Look closer: a unit or a weight as the program's own lines, with the numbers of the point that is looked at.
function choose(what) {
  const { chosen } = pg, same = !chosen.quiet && chosen.k === what.k && chosen.j === what.j && chosen.i === what.i;
  pg.chosen = what;
  if (!same) draw_closer();
  draw_edges();
  if (!same) for (const unit of $("pg-net").querySelectorAll(".pg-unit")) unit.tabIndex = unit.dataset.unit === `${what.k} ${what.j}` ? 0 : -1;
}
const line_of = (target) => pg.run.plain.lines.find((line) => line.target === target);

function draw_closer() {
  const { k, j } = pg.chosen, place = $("pg-closer");
  if (k === 0) return place.replaceChildren(element("p", { textContent: "The input: what the network is given of a sample." }));
  place.replaceChildren(element("p", { className: "pg-name", textContent: `${unit_name(k, j)}` }), ...formulas(k, j), weights_table(k, j));
}
// the lines that compute a unit, as text and with their numbers
function formulas(k, j) {
  const values = probed(), last = k === pg.run.sizes.length - 1, [W, b] = params_of(k), before = k === 1 ? "X" : `h${k - 1}`;
  const sum = last ? "outputs" : `z${k}`, ins = row(values[before], 0), { data, shape } = values[W];
  const terms = ins.map((x, i) => `${factor(x)} · ${factor(data[i * shape[1] + j])}`), shown = terms.slice(0, 6);
  const more = terms.length > 6 ? ` + ${terms.length - 6} more` : "";
  const found = [formula(line_of(sum).text, `${shown.join(" + ")}${more} + ${factor(values[b].data[j])} = ${short(values[sum].data[j])}`)];
  if (last) return found;
  for (const { target, text } of pg.run.plain.forward.filter((line) => lines_of_layer(k).has(line.target)))
    found.push(formula(text, `${target}[${j}] = ${short(values[target].data[j])}   where z${k}[${j}] = ${short(values[sum].data[j])}`));
  return found;
}
// what stands between a layer's sums and its values
function lines_of_layer(k) {
  const targets = pg.run.plain.forward.map((line) => line.target);
  return new Set(targets.slice(targets.indexOf(`z${k}`) + 1, targets.indexOf(`h${k}`) + 1));
}
function formula(text, numbers) {
  return element("p", { className: "pg-formula" }, element("code", { textContent: text }), element("span", { textContent: numbers }));
}
function weights_table(k, j) {
  const { run } = pg, { optimizer, sizes, before } = run, [W, b] = params_of(k), span = optimizer.spans[W][0];
  const count = Math.min(sizes[k - 1], 12), rows = [];
  const from = (i) => (k === 1 ? input_name(i) : unit_name(k - 1, i));
  const show = (label, at, index) => {
    const input = element("input", { type: "number", step: "any", id: `pg-w-${index}` });
    input.value = Number(optimizer.data[at].toPrecision(6));
    input.setAttribute("aria-label", `${label}, its weight`);
    input.onchange = () => set_weight(at, input.valueAsNumber);
    const moved = before ? optimizer.data[at] - before[at] : NaN;
    const cells = [label, input, short(run.t ? optimizer.grad[at] : NaN), short(moved)].map((x, c) => element(c ? "td" : "th", {}, x));
    const made = element("tr", {}, ...cells);
    if (pg.chosen.i === index) made.className = "chosen";
    rows.push(made);
  };
  for (let i = 0; i < count; i++) show(`${W}[${i},${j}] from ${from(i)}`, span + i * sizes[k] + j, i);
  show(`${b}[${j}], the bias`, optimizer.spans[b][0] + j, "b");
  const head = ["", "value", "its gradient", "last moved by"].map((text) => element("th", { scope: "col", textContent: text }));
  const table = element("table", { className: "pg-weights" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  return element("div", { className: "scroll" }, table);
}
function set_weight(at, value) {
  if (!Number.isFinite(value)) return;
  pg.run.change(`optimizer.buffer.data[${at}] = ${value}`, (run) => (run.optimizer.data[at] = value));
  refresh();
}
// a weight in words, with its numbers
function weight_words(k, i, j) {
  const { run } = pg, { optimizer } = run, [W] = params_of(k), at = optimizer.spans[W][0] + i * run.sizes[k] + j;
  if (is_picture() && k === 1) return `The 64 weights from the pixels to h1[${j}]; its tile shows them`;
  const name = `${W}[${i},${j}] = ${short(optimizer.data[at])}`, gradient = run.t ? `; its gradient was ${short(optimizer.grad[at])}` : "";
  return `${name}${gradient}${run.before ? `, the rule moved it by ${short(optimizer.data[at] - run.before[at])}` : ""}. Click to set it.`;
}
