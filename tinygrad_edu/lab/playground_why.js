// Why: what is under the pointer or has the focus says where its number comes from.
const whys = new WeakMap();
function why(place, words) {
  whys.set(place, words);
  return place;
}
// a cell of a table, which the arrow keys reach
function why_cell(id, text, words) {
  const cell = element("td", { id, textContent: text, tabIndex: id.endsWith("-0-0") ? 0 : -1 });
  if (words) cell.setAttribute("aria-describedby", "pg-tip");
  cell.onkeydown = (event) => go_on(event, cell);
  return words ? why(cell, words) : cell;
}
function go_on(event, cell) {
  const [dr, dc] = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key] ?? [];
  if (dr === undefined) return;
  event.preventDefault();
  const [, name, r, c] = cell.id.match(/(.*)-(\d+)-(\d+)$/);
  $(`${name}-${Number(r) + dr}-${Number(c) + dc}`)?.focus();
}
function tell(event) {
  const panel = $("playground"), tip = $("pg-tip");
  let place = event.target;
  while (place && place !== panel && !whys.has(place)) place = place.parentNode;
  if (!whys.has(place)) return tip.hidden || event.type === "focusin" || (tip.hidden = true);
  tip.replaceChildren(...[whys.get(place)() ?? []].flat().map((part) => element("div", {}, ...[part].flat())));
  tip.hidden = false;
  const r = place.getBoundingClientRect(), wide = place instanceof SVGElement; // an edge: beside the pointer
  fit_maths(tip);
  const [x, y] = wide ? [event.clientX, event.clientY] : [r.left, r.bottom], { offsetWidth, offsetHeight } = tip;
  const above = y - offsetHeight - (wide ? 12 : r.height + 8), most = innerHeight - offsetHeight - 8;
  tip.style.left = `${Math.max(8, Math.min(x, innerWidth - offsetWidth - 8))}px`;
  tip.style.top = `${y + offsetHeight + 16 <= innerHeight ? y + 12 : above >= 8 ? above : Math.max(8, most)}px`;
}
// a piece of an equation that is wider than the tip may be is set smaller: under a pointer nothing scrolls
function fit_maths(tip) {
  const { paddingLeft, paddingRight } = getComputedStyle(tip);
  const room = tip.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  for (const math of tip.querySelectorAll("math")) {
    const { width } = math.getBoundingClientRect();
    if (width > room + 1) math.style.fontSize = `${room / width}em`;
  }
}
function watch_whys() {
  const panel = $("playground"), hush = () => ($("pg-tip").hidden = true);
  document.body.append($("pg-tip")); // a container of queries would be what its place is counted from
  for (const kind of ["pointerover", "focusin"]) panel.addEventListener(kind, tell);
  for (const kind of ["pointerleave", "focusout"]) panel.addEventListener(kind, hush);
  panel.addEventListener("keydown", (event) => event.key === "Escape" && hush());
}
// knobs in words, with the numbers of this run
const WORDS_OF_KNOBS = {
  n: ({ n, test }) => `${n} samples: ${pg.run.data.X.length} to learn from, ${Math.ceil(test * n)} to test with`,
  noise: ({ noise }) => `To each coordinate a normal random number of deviation ${noise} is added`,
  test: ({ test }) => `${test} of the samples are held out: the network never learns from them`,
  batch: () => `A gradient is the mean over ${pg.run.batch} samples; ${pg.run.batches} steps are an epoch`,
  activation: () => lines_of_layer(1).map((name) => line_of(name).text).join("; ") || "The sums are the values: in all a linear function",
  weights: ({ activation: name, weights, start }) => `tg.init.${weights || facts.activations[name]}, seed ${start}`,
  dropout: ({ dropout: p }) => `In training a value is 0 with probability ${p}, the others are divided by ${1 - p}`,
  loss: () => pg.run.program.loss.map(({ text }) => text).join("; "),
  rule: () => `${pg.run.optimizer.rule.name}: its equations stand beside`,
  l1: ({ l1 }) => `To each gradient ${l1} · sign(p) is added, which pulls small weights to 0 as hard as large ones`,
  l2: ({ l2 }) => `To each gradient ${l2} · p is added, which pulls the weights to 0`,
  schedule: () => `At step ${pg.run.t + 1} the rate is ${short(pg.run.rate(pg.run.t + 1))}`,
  lr: () => `η = ${short(pg.run.rate(pg.run.t + 1))} at step ${pg.run.t + 1}`,
};
const words_of = (name) => WORDS_OF_KNOBS[name]?.(pg.run.settings) ?? `${name} = ${pg.run.hyper[name]} in the equations`;
