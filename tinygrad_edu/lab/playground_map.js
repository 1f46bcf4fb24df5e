// The output: what the network says of every point, the data on it, and the losses so far.
// Two canvases: behind, a pixel for each point of the grid, which the browser spreads out; before it, the data and the cross.
function draw_map({ values, fine }) {
  if (is_plane()) {
    const back = $("pg-back");
    if (back.width !== fine) Object.assign(back, { width: fine, height: fine });
    back.getContext("2d").putImageData(enlarged(values, fine) ?? backdrop(values.outputs, fine), 0, 0);
  }
  const seen = $("map"), { data } = pg.run, key = [pg.probe, points_key(seen.clientWidth)].join();
  if (is_plane() && seen.data === data && seen.key === key) return;
  Object.assign(seen, { data, key });
  draw_front(values.outputs);
}
function draw_front(outputs) {
  const { pen, width } = pen_of($("map"), 1), spot = place_of(width);
  if (!is_plane()) draw_wave(pen, spot, outputs);
  if (width) pen.drawImage(points_seen(width), 0, 0, width, width);
  const [u, v] = spot(is_plane() ? pg.probe : [pg.probe[0], probed().outputs.data[0]]);
  for (const [name, wide] of [["card", 5], ["text", 2]]) {
    pen.lineWidth = wide * em;
    for (const [a, b, c, d] of [[-11, 0, -4, 0], [4, 0, 11, 0], [0, -11, 0, -4], [0, 4, 0, 11]])
      trace(pen, [[u + a * em, v + b * em], [u + c * em, v + d * em]], name);
  }
}
function place_of(width) {
  const [left, right, bottom, top] = pg.box;
  return ([a, b]) => [((a - left) / (right - left)) * width, ((top - b) / (top - bottom)) * width];
}
// the map of the unit under the pointer or with the focus, if there is one
function enlarged(values, fine) {
  const { unit } = pg.view;
  return unit && image_of(values[NAMES_OF(unit.k)], unit.j, fine, palette(), fine);
}
// the background: of classes, the colour of the likeliest, as strong as it is sure; of a number, its sign and size
function backdrop(outputs, fine) {
  const image = new ImageData(fine, fine), back = bytes(ink("card")), { classes } = pg.run;
  const ends = (classes ? CLASS_COLOURS : ["two", "one"]).map((name) => bytes(ink(name)));
  const most = classes || Math.max(...[...pg.run.data.y, ...pg.run.data.y_test].flat().map(Math.abs));
  const { hard } = pg.view;
  for (let k = 0; k < fine * fine; k++) {
    const score = outputs.data[k];
    let kind = Number(score > 0), much = (0.85 * Math.min(Math.abs(score) / most, 1)) || 0;
    if (classes) {
      kind = best_of(outputs.data, k * classes, classes);
      const odds = odds_at(outputs.data, k * classes, classes, kind);
      much = 0.08 + (0.6 * (Math.min(1, Math.max(0, odds - 1 / classes)) || 0)) / (1 - 1 / classes);
    }
    if (hard) much = 0.6;
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = back[c] + much * ((ends[kind] ?? back)[c] - back[c]);
    image.data[4 * k + 3] = 255;
  }
  return image;
}
// the likeliest of the classes whose scores stand from first on, and its odds; no array is made, as there are many points
function best_of(scores, first, classes) {
  let kind = 0;
  for (let c = 1; c < classes; c++) if (scores[first + c] > scores[first + kind]) kind = c;
  return kind;
}
function odds_at(scores, first, classes, kind) {
  if (pg.run.settings.loss !== "cross_entropy") return scores[first + kind];
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp(scores[first + c] - scores[first + kind]);
  return 1 / sum;
}
// the data, drawn once for many frames: until they, their marks, a colour or the size are others
const dots = element("canvas");
function points_seen(width) {
  const { data } = pg.run, side = Math.floor(width * devicePixelRatio), key = points_key(width);
  if (dots.data === data && dots.key === key) return dots;
  Object.assign(dots, { data, key, width: side, height: side });
  const pen = dots.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  draw_points(pen, place_of(width));
  return dots;
}
const points_key = (width) => [width, devicePixelRatio, em, pg.view.tests, ...marked(), ...Object.values(pg.inks)].join();
// the samples of the last batch; while many go by in a second, none
const marked = () => (pg.run.at === null || (pg.playing && Number($("pg-speed").value) >= 1) ? [] : pg.run.chosen);
function draw_points(pen, spot) {
  const { data, classes } = pg.run, sure = new Set(marked());
  const parts = [[data.X, data.y, false]];
  if (pg.view.tests) parts.unshift([data.X_test, data.y_test, true]);
  for (const [points, labels, hollow] of parts)
    points.forEach((point, i) => {
      const kind = classes ? labels[i] : Number(labels[i][0] > 0), name = CLASS_COLOURS[kind];
      const [u, v] = spot(is_plane() ? point : [point[0], labels[i][0]]);
      pen.fillStyle = hollow ? ink("card") : ink(name);
      pen.strokeStyle = hollow ? ink(name) : sure.has(i) ? ink("text") : ink("card");
      pen.lineWidth = hollow || sure.has(i) ? 1.75 : 1;
      mark(pen, kind, u, v, (is_plane() ? 4 : 3) * em);
    });
}
function mark(pen, kind, u, v, size) {
  pen.beginPath();
  if (kind === 1) pen.rect(u - size, v - size, 2 * size, 2 * size);
  else if (kind === 2) [[0, -1.3], [1.2, 0.9], [-1.2, 0.9]].forEach(([a, b]) => pen.lineTo(u + a * size, v + b * size));
  else pen.arc(u, v, size + 0.5, 0, 7);
  pen.closePath();
  pen.fill();
  pen.stroke();
}
function draw_wave(pen, spot, outputs) {
  const [left, right] = pg.box, n = outputs.data.length;
  pen.fillStyle = ink("page");
  pen.fillRect(0, 0, 2000, 2000);
  pen.strokeStyle = ink("text");
  pen.lineWidth = 2.5;
  pen.beginPath();
  outputs.data.forEach((y, k) => pen.lineTo(...spot([left + ((right - left) * (k + 0.5)) / n, y])));
  pen.stroke();
}

// --- the point that is looked at ------------------------------------------------------------------------------------
function look_at(point) {
  const [left, right, bottom, top] = pg.box, within = (a, low, high) => Math.min(Math.max(a, low), high);
  pg.probe = [within(point[0], left, right), within(point[1], bottom, top)];
  draw_output();
  say_probe();
  if (!pg.playing) draw_closer();
}
function watch_map() {
  for (const name of ["hard", "tests"])
    $(`pg-${name}`).onchange = ({ target }) => ((pg.view[name] = target.checked), refresh());
  const map = $("map");
  map.onpointermove = map.onpointerdown = (event) => {
    const { left, top, width } = map.getBoundingClientRect(), [a, b, c, d] = pg.box;
    look_at([a + ((b - a) * (event.clientX - left)) / width, d - ((d - c) * (event.clientY - top)) / width]);
  };
  map.onkeydown = (event) => {
    const by = (pg.box[1] - pg.box[0]) / 40;
    const [da, db] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (da === undefined) return;
    event.preventDefault();
    look_at([pg.probe[0] + da * by, pg.probe[1] + db * by]);
  };
}
function say_probe() {
  const { classes, settings } = pg.run, scores = [...probed().outputs.data];
  const point = is_plane() ? pg.probe : pg.probe.slice(0, 1);
  const where = is_picture() ? "Of the picture" : `At the cross, (${point.map(short).join(", ")}),`;
  if (!scores.every(Number.isFinite)) return ($("pg-probe").textContent = `${where} the network has no finite number.`);
  if (!classes) return ($("pg-probe").textContent = `${where} the network says ${short(scores[0])}.`);
  const odds = odds_of(scores), sum = settings.loss === "cross_entropy";
  const best = odds.indexOf(Math.max(...odds)), name = is_picture() ? best : `${MARKS[best]} ${best}`;
  const how = sum ? `e^${factor(scores[best])} / Σ e^outputs = ${(100 * odds[best]).toFixed(1)} %` : short(odds[best]);
  $("pg-probe").textContent = `${where} the network says class ${name}: ${how}.`;
}

// --- losses ---------------------------------------------------------------------------------------------------------
function draw_curve() {
  const { pen, width, height } = pen_of($("curve"), 0.5), left = 40 * em, low = height - 20 * em, { losses } = pg.run;
  const { history: older = [] } = pg.before ?? {}, n = Math.max(50, losses.length, older.at(-1)?.t ?? 0);
  const measured = [...pg.history, ...older].flatMap(({ train, test }) => [train, test]);
  const top = [...losses.slice(-2000), ...measured].filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 0.1);
  const place = (t, loss) => [left + ((width - left - 4) * t) / n, low - ((low - 8 * em) * Math.min(loss, top)) / top];
  pen.font = `${12 * em}px system-ui, sans-serif`;
  pen.fillStyle = ink("quiet");
  pen.lineWidth = 1;
  for (let k = 0; k <= 4; k++) {
    const [, v] = place(0, (top * k) / 4);
    trace(pen, [[left, v], [width, v]], "line");
    const mark = (top * k) / 4;
    pen.fillText(top < 1e4 ? mark.toPrecision(2) : mark.toExponential(0).replace("+", ""), 2, v + 4 * em);
  }
  pen.fillText("0", left, height - 4);
  pen.fillText(`step ${n}`, width - 62 * em, height - 4);
  const every = Math.max(1, Math.ceil(losses.length / 600));
  trace(pen, losses.map((loss, t) => place(t + 1, loss)).filter((_, t) => t % every === 0), "faint");
  const thin = Math.max(1, Math.ceil(pg.history.length / 600)), kept = pg.history.filter((_, i) => i % thin === 0);
  pen.lineWidth = 2 * em;
  trace(pen, kept.map(({ t, train }) => place(t, train)), "one");
  pen.setLineDash([7, 4]);
  trace(pen, kept.map(({ t, test }) => place(t, test)), "two");
  pen.setLineDash([2, 3]);
  trace(pen, older.map(({ t, train }) => place(t, train)), "text");
  pen.setLineDash([]);
}
function trace(pen, points, name) {
  pen.strokeStyle = ink(name);
  pen.beginPath();
  for (const point of points) pen.lineTo(...point);
  pen.stroke();
}
