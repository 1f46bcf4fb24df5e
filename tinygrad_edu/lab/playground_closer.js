// Look closer: a unit or a weight as the program's own lines, with the numbers of the point that is looked at.
function choose(what) {
  const { chosen } = pg, same = !chosen.quiet && chosen.k === what.k && chosen.j === what.j && chosen.i === what.i;
  pg.chosen = what;
  draw_edges();
  if (same) return;
  draw_closer();
  for (const unit of $("pg-net").querySelectorAll(".pg-unit"))
    unit.tabIndex = unit.dataset.unit === `${what.k} ${what.j}` ? 0 : -1;
}
const line_of = (target) => pg.run.plain.lines.find((line) => line.target === target);

function draw_closer() {
  const { k, j } = pg.chosen, words = "The input: what the network is given of a sample.";
  const where = is_picture() ? " for the picture on the pad" : " for the point under the cross";
  const name = element("p", { className: "pg-name", textContent: k ? unit_name(k, j) : words });
  if (k) name.append(element("span", { className: "quiet", textContent: where }));
  keep_focus(() => $("pg-closer").replaceChildren(name, ...(k ? [...formulas(k, j), weights_table(k, j)] : [])));
}
// the lines that compute a unit, as text and with their numbers
function formulas(k, j) {
  const values = probed(), last = k === pg.run.sizes.length - 1, [W, b] = params_of(k), { data, shape } = values[W];
  const sum = last ? "outputs" : `z${k}`, ins = row(values[k === 1 ? "X" : hidden(k - 1)], 0);
  const terms = ins.map((x, i) => `${factor(x)} · ${factor(data[i * shape[1] + j])}`).slice(0, 6);
  if (ins.length > 6) terms.push(`… ${ins.length - 6} more`);
  const total = short(values[sum].data[j]), bias = factor(values[b].data[j]);
  const found = [[sum, `${[...terms, bias].join(" + ")} = ${total}`]];
  for (const name of last ? [] : lines_of_layer(k))
    found.push([name, `${name}[${j}] = ${short(values[name].data[j])}, where z${k}[${j}] = ${total}`]);
  return found.map(([target, numbers]) => {
    const code = element("code", { textContent: line_of(target).text });
    return element("p", { className: "pg-formula" }, code, element("span", { textContent: numbers }));
  });
}
// what stands between a layer's sums and its values
function lines_of_layer(k) {
  const targets = pg.run.plain.forward.map((line) => line.target);
  return targets.slice(targets.indexOf(`z${k}`) + 1, targets.indexOf(hidden(k)) + 1);
}
function weights_table(k, j) {
  const { optimizer, sizes } = pg.run, [W, b] = params_of(k), first = optimizer.spans[W][0];
  const from = (i) => (k === 1 ? input_name(i) : unit_name(k - 1, i));
  const some = Math.min(sizes[k - 1], 12), place = (i) => first + i * sizes[k] + j;
  const rows = drawn(some, (i) => [`${W}[${i},${j}] from ${from(i)}`, place(i), i]);
  rows.push([`${b}[${j}], the bias`, optimizer.spans[b][0] + j, "b"]);
  const heads = ["", "value", "its gradient", "last moved by"];
  const head = heads.map((text) => element("th", { scope: "col", textContent: text }));
  const parts = [element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows.map(weight_row))];
  return element("div", { className: "scroll" }, element("table", { className: "pg-weights" }, ...parts));
}
function weight_row([label, at, index]) {
  const { run } = pg, input = element("input", { type: "number", step: "any", id: `pg-w-${index}` });
  input.value = Number(run.optimizer.data[at].toPrecision(6));
  input.setAttribute("aria-label", `${label}, its value`);
  input.onchange = () => set_weight(at, input.valueAsNumber);
  const cells = [input, short(slope_of(at)), short(moved_by(at))].map((part) => element("td", {}, part));
  const made = element("tr", {}, element("th", { scope: "row", textContent: label }), ...cells);
  made.className = pg.chosen.i === index ? "chosen" : "";
  return why(made, () => words_at(label, at));
}
const slope_of = (at) => (pg.run.t ? pg.run.optimizer.grad[at] : NaN);
const moved_by = (at) => (pg.run.before ? pg.run.optimizer.data[at] - pg.run.before[at] : NaN);
function set_weight(at, value) {
  if (!Number.isFinite(value)) return;
  pg.run.change(`optimizer.buffer.data[${at}] = ${value}`, (run) => (run.optimizer.data[at] = value));
  record();
  refresh();
}
// a weight in words, with its numbers
function weight_words(k, i, j) {
  if (is_picture() && k === 1) return `The 64 weights from the pixels to ${unit_name(1, j)}; its tile shows them`;
  const { optimizer, sizes } = pg.run, [W] = params_of(k), at = optimizer.spans[W][0] + i * sizes[k] + j;
  const [first, ...others] = words_at(`${W}[${i},${j}]`, at);
  return [`${first} Click to set it.`, ...others];
}
// the number at a place among all parameters: its value and gradient, and the rule's last step with its numbers in it
function words_at(name, at) {
  const { t, optimizer } = pg.run, said = `${name} = ${short(optimizer.data[at])}`;
  if (!t) return [`${said}.`];
  const moved = `its gradient was ${short(slope_of(at))}, ${optimizer.rule.name} moved it by ${short(moved_by(at))}`;
  return [`${said}; ${moved}.`, ...equations_at(at)];
}
function equations_at(at) {
  const { kept, optimizer } = pg.run, { rule, pieces, l2 } = optimizer;
  const n = kept ? pieces.findIndex(({ span: [first, last] }) => at >= first && at < last) : -1;
  if (n < 0) return [];
  const { span: [first], rows, numbers } = pieces[n], by = of_rows(rule, rows), arrays = kept[n], [p, g] = arrays;
  const [lines] = told_of(rule, { arrays, numbers, rows }, [at - first]), slope = factor(slope_of(at));
  const with_l2 = `g = ${slope} + ${short(l2)} · ${factor(p[at - first])} = ${short(g[at - first])}`;
  return [...(l2 ? [with_l2] : []), ...lines.map((row, line) => equation_of(by, line, row))];
}
