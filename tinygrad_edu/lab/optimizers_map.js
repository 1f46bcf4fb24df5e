// The map: contours, shades, the minimum, the start; above it the paths.
const SMALL_MARKS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]; // the steps that are marked on a path
const layer = (name) => svg("svg", { class: name, "aria-hidden": true });
const map = { land: layer("land"), trails: new Trails() };

// how numbers lie on the screen: to scale, if that leaves room in the picture
function fitted([left, right, bottom, top], width, height) {
  const grow = (right - left) / (top - bottom) / (width / height);
  if (grow > 0.3 && grow < 3) {
    const high = (Math.max(0, grow - 1) * (top - bottom)) / 2, wide = (Math.max(0, 1 / grow - 1) * (right - left)) / 2;
    [left, right, bottom, top] = [left - wide, right + wide, bottom - high, top + high];
  }
  const x = (a) => ((a - left) / (right - left)) * width, y = (b) => ((top - b) / (top - bottom)) * height;
  const back = (u, v) => [left + (u / width) * (right - left), top - (v / height) * (top - bottom)];
  return { box: [left, right, bottom, top], width, height, x, y, back };
}
// the heights above the lowest point, and their levels: kept until another surface, condition or size is asked for
function look_at_land(ground, box) {
  const key = JSON.stringify([ground.name, ground.name === "ravine" && ground.all[0], box]);
  if (map.key === key) return;
  const n = ground.size ? 56 : 128, z = heights(ground, box, n), { lowest, minima, box: own } = ground.about;
  const found = lowest === null ? lowest_point(ground, own) : null, floor = lowest ?? found?.[2] ?? 0;
  const above = z.map((a) => Math.max(a - floor, 0)), levels = levels_of(above);
  const contours = levels.map((level) => ({ level, lines: lines_at(level, above, n) }));
  Object.assign(map, { key, n, above, levels, contours, floor, minima: found ? [found.slice(0, 2)] : minima });
}
function draw_land() {
  const host = $("o-map"), width = host.clientWidth, height = Math.round(Math.min(width * 0.78, 560 * em, innerHeight * 0.8));
  if (!width) return;
  const view = (map.view = fitted(now.race.ground.about.box, width, height)), [left, right, bottom, top] = view.box;
  look_at_land(now.race.ground, view.box);
  host.style.height = `${height}px`;
  map.land.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const parts = map.contours.flatMap(draw_level);
  for (const a of ticks(left, right, 6))
    if (view.x(a) > 40 * em && view.x(a) < width - 12 * em) parts.push(write(short(a), view.x(a), height - 6));
  for (const b of ticks(bottom, top, 6))
    if (view.y(b) > 12 * em && view.y(b) < height - 24 * em) parts.push(write(short(b), 6, view.y(b) + 4 * em, "tick", "start"));
  for (const [a, b] of map.minima) {
    const transform = `translate(${view.x(a)} ${view.y(b)}) scale(${1.6 * em})`;
    parts.push(svg("path", { class: "minimum", d: STAR, transform }));
  }
  map.land.replaceChildren(...parts);
  Object.assign(map, { drawn: (map.drawn ?? 0) + 1, inks: ["card", "text"].map(colour) }); // so that the paths are, too
  draw_shades(view);
}
// the lines of a level, and its height written on the longest; another share of the way along for each level
function draw_level({ level, lines }, k) {
  const { width, height } = map.view, size = map.n - 1;
  const at = ([i, j]) => [(i / size) * width, height - (j / size) * height];
  const text = (line) => `M${line.map((p) => at(p).map((u) => u.toFixed(1)).join(" ")).join("L")}`;
  const parts = [svg("path", { class: "level", d: lines.map(text).join("") })];
  const longest = lines.reduce((a, b) => (b.length > a.length ? b : a), []).map(at);
  const clear = longest.filter(([u, v]) => u > 24 && u < width - 24 && v > 14 && v < height - 26);
  const place = clear[Math.floor(clear.length * ((0.77 + 0.618 * k) % 1))];
  const said = short(Number((level + map.floor).toPrecision(3)));
  if (place && longest.length > 12) parts.push(write(said, place[0], place[1] + 4, "height"));
  return parts;
}
// the darker, the higher: one shade for each level
function draw_shades({ width, height }) {
  const w = Math.ceil(width / 2), h = Math.ceil(height / 2), { above, levels, n } = map;
  const pen = Object.assign($("o-shade"), { width: w, height: h }).getContext("2d"), image = pen.createImageData(w, h);
  const [low, high] = [colour("land-low"), colour("land-high")].map(bytes);
  const shade = (k) => low.map((a, c) => a + ((high[c] - a) * k) / levels.length);
  const shades = Array.from({ length: levels.length + 1 }, (_, k) => shade(k));
  for (let v = 0; v < h; v++)
    for (let u = 0; u < w; u++) {
      const i = (u / (w - 1)) * (n - 1), j = (1 - v / (h - 1)) * (n - 1);
      const a = Math.min(Math.floor(i), n - 2), b = Math.min(Math.floor(j), n - 2), k = b * n + a, s = i - a, t = j - b;
      const below = above[k] * (1 - s) + above[k + 1] * s, over = above[k + n] * (1 - s) + above[k + n + 1] * s;
      const z = below * (1 - t) + over * t;
      let level = Number.isFinite(z) ? 0 : levels.length;
      while (level < levels.length && z >= levels[level]) level++;
      image.data.set([...shades[level], 255], 4 * (v * w + u));
    }
  pen.putImageData(image, 0, 0);
}

// --- the paths ------------------------------------------------------------------------------------------------------
// a path up to step t; its tip stands at the edge if it is outside
function path_of(runner, t) {
  const { view } = map, { points, name } = runner, { ink, dash, shape } = look(name), chosen = name === now.focus;
  const within = (u) => Math.max(-1e4, Math.min(1e4, u)), inside = (u, most) => Math.max(2, Math.min(most - 2, u));
  const at = (i) => [within(view.x(points[i][0])), within(view.y(points[i][1]))];
  if (runner.view !== view) Object.assign(runner, { view, at });
  const upto = Math.min(t, points.length - 1), [u, v] = at(upto);
  const tip = [shape, [inside(u, view.width), inside(v, view.height)], chosen ? 1.4 * em : em];
  return { at: runner.at, upto, ink, dash, wide: chosen ? 3 : 2, marked: SMALL_MARKS, tip };
}
function draw_paths() {
  const { view } = map, { runners } = now.race, start = now.plan.start;
  if (!view) return;
  const shown = runners.map(({ name }) => name + colours[name]), ring = (pen) => draw_start(pen, view.x(start[0]), view.y(start[1]));
  map.trails.draw([map.drawn, now.focus, shown].join(), view, runners.map((runner) => path_of(runner, now.t)), ring);
}
function draw_start(pen, u, v) {
  const thick = pen.lineWidth;
  pen.beginPath();
  pen.arc(u, v, 7, 0, 7);
  Object.assign(pen, { fillStyle: map.inks[0], strokeStyle: map.inks[1], lineWidth: 2 * thick });
  pen.fill();
  pen.stroke();
  pen.lineWidth = thick;
}
// the map, the paths and a list of the rules as one picture
function picture_of_map() {
  const both = standing_alone(map.land), { width, height } = map.view, wide = width + 140, [a, b] = now.plan.start;
  const start = svg("circle", { class: "start", r: 7, cx: map.view.x(a), cy: map.view.y(b) });
  const paths = svg("svg", {}, start, ...now.race.runners.flatMap((runner, i) => {
    const { name } = runner, { kind } = look(name), v = 20 + 20 * i, chosen = name === now.focus ? " focused" : "";
    const label = write(name, width + 56, v + 4, "tick", "start");
    return [...as_parts(path_of(runner, now.t), kind + chosen), sample_of(name, width + 30, v), label];
  }));
  $("o-map").append(paths); // for a moment: only what is on the page has a style
  both.append(...standing_alone(paths).childNodes);
  paths.remove();
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${wide} ${height}`, width: wide, height }))
    both.setAttribute(name, value);
  // as text: the page itself may load no picture
  const card = `<rect width="${wide}" height="${height}" fill="${colour("card")}"/>`;
  const size = `width="${width}" height="${height}" preserveAspectRatio="none"`;
  const back = `<image href=${JSON.stringify($("o-shade").toDataURL())} ${size}/>`;
  return new XMLSerializer().serializeToString(both).replace(">", `>${card}${back}`);
}
