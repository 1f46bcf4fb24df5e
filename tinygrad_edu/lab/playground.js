// Playground: a network that learns, step by step.
{
const rows = (X, chosen) => np.getitem(X, np.array(chosen));
// --- the training -----------------------------------------------------------------------------------------------------
const state = { playing: false, optimizer: null, order: [], losses: [], tests: [], due: 0, random: generator(1) };

function next_batch() {
  const n = X.shape[0], size = Number($("batch").value) || n;
  if (state.order.length < Math.min(size, n)) {
    state.order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(state.random() * (i + 1));
      [state.order[i], state.order[j]] = [state.order[j], state.order[i]];
    }
  }
  return state.order.splice(0, size);
}
function step() {
  const { optimizer } = state, chosen = next_batch(), before = optimizer.data.slice();
  const [loss, gradients] = backprop(optimizer, rows(X, chosen), rows(y, chosen));
  optimizer.step(gradients);
  state.losses.push(loss);
  state.tests.push(backprop(optimizer, X_test, y_test)[0]);
  state.slope = Math.hypot(...optimizer.grad);
  state.move = Math.hypot(...optimizer.data.map((a, i) => a - before[i]));
}
function reset() {
  const rule = $("rule").value, hyper = { lr: 10 ** Number($("lr").value) };
  state.optimizer = new Optimizer(rules[rule], first(), hyper);
  Object.assign(state, { order: [], losses: [], tests: [], random: generator(1), slope: NaN, move: NaN });
  $("equations").innerHTML = rules[rule].equations;
  $("kernel").textContent = String(rules[rule].kernel);
  draw();
}
function play(on) {
  state.playing = on;
  $("play").textContent = on ? "Pause" : "Play";
  if (on) requestAnimationFrame(frame);
}
function frame() {
  if (!state.playing) return;
  for (state.due += Number($("speed").value); state.due >= 1; state.due--) step();
  draw();
  requestAnimationFrame(frame);
}

// --- pictures ---------------------------------------------------------------------------------------------------------
const BOX = [-1.6, 2.6, -1.3, 1.8], FINE = 48;
const grid = np.array(
  Array.from({ length: FINE * FINE }, (_, k) => [
    BOX[0] + ((BOX[1] - BOX[0]) * ((k % FINE) + 0.5)) / FINE,
    BOX[3] - ((BOX[3] - BOX[2]) * (Math.floor(k / FINE) + 0.5)) / FINE,
  ]),
);
const shade = Object.assign(document.createElement("canvas"), { width: FINE, height: FINE });

function draw_map() {
  const { pen, width, height } = pen_of($("map"), 1), [one, two, card] = ["one", "two", "card"].map(colour);
  const ends = [bytes(one), bytes(two)], back = bytes(card), image = new ImageData(FINE, FINE);
  const outputs = net.predict(grid, ...Object.values(state.optimizer.params));
  const odds = np.exp(np.subtract(np.getitem(outputs, [np.slice(), 0]), np.getitem(outputs, [np.slice(), 1])));
  np.divide(1, np.add(1, odds)).data.forEach((share, k) => {
    const end = ends[share > 0.5 ? 1 : 0], much = 0.08 + 0.75 * Math.abs(share - 0.5);
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = back[c] + much * (end[c] - back[c]);
    image.data[4 * k + 3] = 255;
  });
  shade.getContext("2d").putImageData(image, 0, 0);
  pen.drawImage(shade, 0, 0, width, height);
  for (const [points, labels, hollow] of [[X, y, false], [X_test, y_test, true]])
    labels.data.forEach((label, i) => {
      const u = ((points.data[2 * i] - BOX[0]) / (BOX[1] - BOX[0])) * width;
      const v = ((BOX[3] - points.data[2 * i + 1]) / (BOX[3] - BOX[2])) * height;
      pen.beginPath();
      if (label) pen.rect(u - 4.5, v - 4.5, 9, 9);
      else pen.arc(u, v, 5, 0, 7);
      pen.fillStyle = hollow ? card : label ? two : one;
      pen.strokeStyle = hollow ? (label ? two : one) : card;
      pen.lineWidth = hollow ? 2 : 1.25;
      pen.fill();
      pen.stroke();
    });
}
function draw_curve() {
  const { pen, width, height } = pen_of($("curve"), 0.5), left = 40, low = height - 24;
  pen.font = "12px system-ui, sans-serif";
  const n = Math.max(50, state.losses.length), finite = [...state.losses, ...state.tests].filter(Number.isFinite);
  const top = finite.reduce((a, b) => Math.max(a, b), 0.8);
  const place = (t, loss) => [left + ((width - left - 8) * t) / n, low - ((low - 10) * loss) / top];
  pen.lineWidth = 1;
  for (let k = 0; k <= 4; k++) {
    const [, v] = place(0, (top * k) / 4);
    pen.strokeStyle = colour("line");
    pen.beginPath();
    pen.moveTo(left, v);
    pen.lineTo(width - 8, v);
    pen.stroke();
    pen.fillStyle = colour("quiet");
    pen.fillText(((top * k) / 4).toFixed(2), 4, v + 5);
  }
  pen.fillText("0", left, height - 6);
  pen.fillText(`step ${n}`, width - 76, height - 6);
  for (const [losses, name, dash, wide] of [[state.losses, "one", [], 1.5], [state.tests, "two", [7, 4], 2.5]]) {
    const every = Math.max(1, Math.floor(losses.length / 1200));
    pen.setLineDash(dash);
    pen.strokeStyle = colour(name);
    pen.lineWidth = wide;
    pen.beginPath();
    losses.forEach((loss, t) => t % every || pen.lineTo(...place(t + 1, loss)));
    pen.stroke();
  }
  pen.setLineDash([]);
}
function draw() {
  const { optimizer, losses, tests } = state, { rule } = optimizer;
  draw_map();
  draw_curve();
  const outputs = net.predict(X_test, ...Object.values(optimizer.params));
  const answers = outputs.data.filter((_, k) => k % 2).map((b, i) => (b > outputs.data[2 * i] ? 1 : 0));
  const right = y_test.data.filter((label, i) => answers[i] === label).length;
  $("t").textContent = optimizer.t;
  $("loss").textContent = said(losses.at(-1));
  $("test").textContent = said(tests.at(-1));
  $("right").textContent = `${right} of ${y_test.data.length}`;
  $("slope").textContent = said(state.slope);
  $("move").textContent = said(state.move);
  const head = String(rule.kernel).match(/\((.*?)\)/)[1].split(", ").slice(2 + rule.state.length);
  const numbers = rule.scalars(optimizer.t + 1, ...Object.values(optimizer.hyper));
  const list = head.map((name, i) => `${name} = ${Number(numbers[i].toPrecision(6))}`).join(", ");
  $("numbers").textContent = `At step ${optimizer.t + 1}: ${list}`;
}

// --- the controls -----------------------------------------------------------------------------------------------------
function suggested() {
  const lr = Math.log10(facts.rates.valley[$("rule").value] / 3);
  $("lr").value = Math.max(-4, Math.min(1, lr));
}
function rate() {
  $("lr-is").textContent = Number((10 ** Number($("lr").value)).toPrecision(3));
  if (state.optimizer && "lr" in state.optimizer.hyper) state.optimizer.hyper.lr = 10 ** Number($("lr").value);
}
for (const name in rules) $("rule").append(new Option(rules[name].name, name, name === "adam", name === "adam"));
$("rule").onchange = () => (suggested(), rate(), reset());
$("lr").oninput = rate;
$("play").onclick = () => play(!state.playing);
$("step").onclick = () => (play(false), step(), draw());
$("epoch").onclick = () => {
  play(false);
  do step();
  while (state.order.length);
  draw();
};
$("reset").onclick = () => (play(false), reset());
$("source").textContent = net.source;
suggested();
rate();
reset();

tabs.playground = {
  ready(good) {
    for (const button of document.querySelectorAll("#playground .controls button")) button.disabled = !good;
  },
  show: draw,
  hide: () => play(false),
  state: () => ({ rule: $("rule").value, lr: $("lr").value, batch: $("batch").value }),
  restore(kept) {
    for (const name of ["rule", "lr", "batch"]) if (name in kept) $(name).value = kept[name];
    rate();
    reset();
  },
};
}
