// Playground: a network that learns, step by step. The run is that of run.js; here it is begun, played and shown.
function renew(given = {}) {
  play(false);
  const settings = { ...(pg.run?.settings ?? SETTINGS), ...given };
  keep_before(settings);
  pg.run = new Run(settings);
  Object.assign(pg, { history: [], asked: 0, chosen: { k: 1, j: 0, quiet: true }, line: 0, box: box() });
  const shape = is_picture();
  $("map").parentNode.hidden = $("pg-views").hidden = shape;
  pg.view.unit = null;
  $("pg-pad-place").hidden = !shape;
  if (!is_picture() && !inside(pg.probe)) pg.probe = [...pg.run.data.X[0], 0].slice(0, 2);
  if (shape) pg.pixels ??= [...pg.run.data.X_test[0]];
  record();
  take_inks();
  draw_knobs();
  draw_net();
  const { rule } = pg.run.optimizer, vectors = rules[rule.vectors];
  const others = vectors ? ['<p class="quiet">of a vector:</p>', ...vectors.equations] : [];
  $("equations").innerHTML = [...rule.equations, ...others].join("\n");
  $("equations").append(element("p", { className: "quiet", textContent: in_greek(rule.note) }));
  $("kernel").textContent = [pg.run.optimizer.rule.kernel, pg.run.optimizer.rule.scalars].join("\n\n");
  refresh();
}
const inside = ([a, b]) => a >= pg.box[0] && a <= pg.box[1] && b >= pg.box[2] && b <= pg.box[3];
// a rate to begin with: of that which is stated for a rule in the race's valley a tenth, or its own; of the list the nearest
function suggested(rule) {
  const stated = facts.rates.valley[rule], lr = Math.min(stated ? stated / 10 : rules[rule].hyper.lr, 1);
  return RATES_OF_CHOICE.reduce((a, b) => (Math.abs(Math.log(b / lr)) < Math.abs(Math.log(a / lr)) ? b : a));
}
// the losses after this step
function record() {
  const { run } = pg, t = run.losses.length;
  const { train, test } = run.measures();
  pg.latest = { train, test };
  pg.history.push({ t, train: train.loss, test: test.loss });
}
function step() {
  pg.run.step();
  if (pg.run.broken) play(false);
}
function play(on) {
  pg.playing = on && pg.good;
  Object.assign(pg, { frames: 0, due: 0, last: null });
  $("play").textContent = pg.playing ? "Pause" : "Play";
  if (pg.playing) requestAnimationFrame(frame);
}
// the steps come first: as many as the clock asks for, but that a frame gives them no more than MOST; then the pictures
const MOST = 25, STEPS = 60; // milliseconds; steps a second at the usual speed
function frame(time) {
  if (!pg.playing) return;
  const past = Math.min(100, time - (pg.last ?? time - 1000 / STEPS)), end = performance.now() + MOST;
  pg.last = time;
  pg.due += (Number($("pg-speed").value) * past * STEPS) / 1000;
  for (; pg.due >= 0.99 && pg.playing && performance.now() < end; pg.due--) step();
  pg.due = Math.min(pg.due, 1);
  if (pg.playing) draw_turn();
  if (pg.playing) requestAnimationFrame(frame);
  else pause();
}
function pause() {
  play(false);
  if (pg.history.at(-1).t < pg.run.losses.length) record();
  refresh();
}
const still = matchMedia("(prefers-reduced-motion: reduce)"); // then the pictures change once in 60 frames

// --- what is shown ---------------------------------------------------------------------------------------------------
// while it plays, the grid is coarse and a frame draws the output or one other thing, each of these in its turn
const halves = [0, 1].map((half) => () => draw_tiles(half, 2));
const TURNS = [
  [halves[0], draw_edges, record, draw_numbers, halves[1], draw_curve, record],
  [halves[0], draw_edges, draw_now, draw_layers, halves[1], draw_curve, say_probe],
].flat();
function draw_turn() {
  const k = pg.frames++;
  if (still.matches) return void (k % STEPS === 0 && (record(), refresh()));
  if (k % 2 === 0) draw_output();
  else TURNS[(k >> 1) % TURNS.length]();
  if (k % 4 === 1) draw_count();
}
function refresh() {
  take_inks();
  draw_output();
  draw_tiles();
  for (const draw of [draw_curve, draw_edges, draw_count, draw_now, draw_layers, say_probe, draw_numbers]) draw();
  if (pg.playing) return;
  draw_lines();
  draw_closer();
  $("pg-python").textContent = told(pg.run);
}
function draw_count() {
  $("t").textContent = pg.run.t;
  $("pg-epochs").textContent = (pg.run.t / pg.run.batches).toFixed(1);
}
// the values on the grid are kept for the tiles
function draw_output() {
  if (is_picture()) return draw_pad();
  const fine = pg.playing ? TILE : FINE;
  pg.seen = { values: survey(fine), fine };
  draw_map(pg.seen);
}
function draw_now() {
  const { run, latest } = pg, share = ({ right, of }) => (right === null ? "" : `${right} of ${of} right, ${Math.round((100 * right) / of)} %`);
  const batch = { loss: run.losses.at(-1), of: run.chosen?.length, right: null };
  const rows = [["the batch", batch], ["training data", latest.train], ["test data", latest.test]];
  const cells = ([name, found], r) => [
    element("th", { scope: "row", textContent: name }),
    why_cell(`pg-now-${r}-0`, said(found.loss), () => loss_words(found)),
    why_cell(`pg-now-${r}-1`, share(found), found.right === null ? null : () => right_words(found)),
  ];
  const made = rows.map((row, r) => element("tr", {}, ...cells(row, r)));
  keep_focus(() => $("pg-now").tBodies[0].replaceChildren(...made));
  const asked = run.t < pg.asked ? `The link asks for ${pg.asked} steps: press Play.` : "";
  $("pg-halt").textContent = run.broken ? HALTED : asked;
  $("pg-legend").textContent = legend();
  const score = share(latest.test) || `loss ${said(latest.test.loss)}`, what = "Data, and what the network says of it.";
  $("map").setAttribute("aria-label", `${what} Step ${run.t}; ${score} in the test data. Arrow keys move the cross.`);
  $("pg-probe").setAttribute("aria-live", pg.playing ? "off" : "polite");
}
const HALTED =
  "A gradient is no longer finite: the library would raise an error here. Reset, and take a smaller learning rate.";
function legend() {
  if (is_picture()) return "Draw a digit, or take one of the test data.";
  const { classes } = pg.run, names = drawn(classes, (k) => `${MARKS[k]} class ${k}`).join("  ");
  if (classes) return `${names}; hollow: test data. The background is what the network says.`;
  const answer = is_plane() ? "background" : "line";
  return `■ above 0  ● below 0; hollow: test data. The network's answer is the ${answer}.`;
}
function loss_words({ loss, of }) {
  if (loss === undefined) return "There is none before the first step.";
  const { settings } = pg.run, mean = `The mean over ${of} samples`;
  if (settings.loss === "mse_loss") return `${mean} of (output − target)² = ${said(loss)} = ${short(Math.sqrt(loss))}²`;
  const guess = `. Who knows nothing has ln ${pg.run.classes} = ${short(Math.log(pg.run.classes))}`;
  return `${mean} of −ln p(its class) = ${said(loss)}; e^−${short(loss)} = ${(100 * Math.exp(-loss)).toFixed(1)} %${guess}`;
}
const right_words = ({ right, of }) =>
  `${right} / ${of} = ${((100 * right) / of).toFixed(1)} %: the largest output is that of the sample's class`;
function draw_numbers() {
  const { optimizer } = pg.run, { rule } = optimizer, t = optimizer.t + !rule.measure; // which need its gradients
  const head = arguments_of(rule).slice(2 + rule.state.length);
  const numbers = rule.measure ? optimizer.numbers ?? [] : optimizer.scalars(t, pg.run.rate(t));
  const list = head.slice(0, numbers.length).map((name, i) => `${name} = ${Number(numbers[i].toPrecision(6))}`).join(", ");
  $("numbers").textContent = list && `At step ${t}: ${list}`;
}
const COLUMNS = ["layer", "units", "weights", "length of gradient", "length of step", "step / weights", "dead units"];
function draw_layers() {
  const { sizes } = pg.run, table = $("pg-layers"), dead = dead_units();
  const heads = COLUMNS.map((text) => element("th", { scope: "col", textContent: text }));
  table.tHead.replaceChildren(element("tr", {}, ...heads));
  const rows = sizes.slice(1).map((n, k) => {
    const name = element("th", { scope: "row", textContent: k < sizes.length - 2 ? hidden(k + 1) : "outputs" });
    return element("tr", {}, name, ...layer_cells(k, n, dead[k]));
  });
  keep_focus(() => table.tBodies[0].replaceChildren(...rows));
  const sum = dead.reduce((a, b) => a + b, 0);
  $("pg-dead").textContent = sum ? `Dead: ${sum} unit${sum > 1 ? "s say" : " says"} the same of every sample, and learn${sum > 1 ? "" : "s"} no more.` : "";
}
function layer_cells(k, n, dead) {
  const { run } = pg, { optimizer, sizes, before, t } = run, [W, b] = params_of(k + 1);
  const span = [optimizer.spans[W][0], optimizer.spans[b][1]];
  const now = optimizer.data.subarray(...span), count = now.length, of = `over these ${count} numbers`;
  const slope = t ? Math.hypot(...optimizer.grad.subarray(...span)) : NaN, size = Math.hypot(...now);
  const moved = before ? Math.hypot(...now.map((a, i) => a - before[span[0] + i])) : NaN, share = moved / size;
  const cells = [
    [n, null],
    [count, () => `${sizes[k]} · ${n} + ${n} = ${count}: one for each pair of units, and a bias for each unit`],
    [short(slope), () => `√Σ g² = ${short(slope)} ${of}, in the last batch`],
    [short(moved), () => `√Σ (p − p before)² = ${short(moved)} ${of}, in the last step`],
    [short(share), () => `${short(moved)} / √Σ p² = ${short(moved)} / ${short(size)}; about 1 in 1000 is usual`],
    [dead ?? "–", () => `${dead ?? "No"} units say the same of all ${run.data.X.length} samples of the training data`],
  ];
  return cells.map(([text, words], c) => why_cell(`pg-layer-${k}-${c}`, text, words));
}
// how many units of each hidden layer say the same of all training data, so that they learn nothing more
function dead_units() {
  const values = pg.run.outputs(pg.run.train[0]);
  return pg.run.settings.layers.map((n, k) => {
    const { data } = values[hidden(k + 1)];
    return drawn(n, (j) => {
      for (let i = j; i < data.length; i += n) if (Math.abs(data[i] - data[j]) > 1e-9) return 0;
      return 1;
    }).reduce((a, b) => a + b, 0);
  });
}

// --- the page --------------------------------------------------------------------------------------------------------
$("play").onclick = () => (pg.playing ? pause() : play(true));
$("step").onclick = () => (play(false), step(), record(), refresh());
$("epoch").onclick = () => {
  play(false);
  do {
    step();
    record();
  } while (pg.run.order.length && !pg.run.broken);
  refresh();
};
$("reset").onclick = () => renew();
$("pg-line").onclick = next_line;
$("pg-rest").onclick = $("step").onclick;
$("pg-copy").onclick = () => {
  navigator.clipboard?.writeText(told(pg.run));
  getSelection().selectAllChildren($("pg-python"));
  $("pg-copied").textContent = "It is copied, and marked below.";
};
$("pg-save").onclick = save_picture;
watch_map();
watch_whys();
from_link({});

tabs.playground = {
  ready(good) {
    pg.good = good;
    for (const name of ["play", "step", "epoch", "reset", "pg-line"]) $(name).disabled = !good;
    refresh();
  },
  show() {
    place_edges();
    refresh();
  },
  hide: () => play(false),
  lessons: LESSONS,
  parts: PARTS,
  parted: () => (draw_knobs(), draw_net()),
  state: link_state,
  restore: from_link,
};
