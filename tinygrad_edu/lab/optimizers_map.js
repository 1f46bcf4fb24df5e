// The map: contours, shades, the minimum, the start; above it the paths.
const SMALL_MARKS = new Set([10, 20, 50, 100, 200, 500, 1000, 2000, 5000]); // the steps that are marked on a path
const map = { land: svg("svg", { class: "land", "aria-hidden": true }), paths: svg("svg", { class: "paths", "aria-hidden": true }), lines: new Map() };

// how numbers lie on the screen: to scale, if that leaves room in the picture
function fitted([left, right, bottom, top], width, height) {
  const shape = (right - left) / (top - bottom), wanted = width / height, grow = shape / wanted;
  if (grow > 0.3 && grow < 3) {
    const more = grow > 1 ? [0, (top - bottom) * (grow - 1)] : [(right - left) * (1 / grow - 1), 0];
    [left, right, bottom, top] = [left - more[0] / 2, right + more[0] / 2, bottom - more[1] / 2, top + more[1] / 2];
  }
  const x = (a) => ((a - left) / (right - left)) * width, y = (b) => ((top - b) / (top - bottom)) * height;
  const back = (u, v) => [left + (u / width) * (right - left), top - (v / height) * (top - bottom)];
  return { box: [left, right, bottom, top], width, height, x, y, back };
}
// the heights above the lowest point, and their levels: kept until another surface, condition or size is asked for
function land_of(ground, box, n) {
  const key = JSON.stringify([ground.name, ground.name === "ravine" && ground.all[0], box]);
  if (map.key !== key) {
    const z = heights(ground, box, n), { lowest, minima } = ground.about;
    const found = lowest === null ? lowest_point(ground, ground.about.box) : null, floor = lowest ?? found[2];
    const above = z.map((a) => Math.max(a - floor, 0)), levels = levels_of(above);
    Object.assign(map, { key, n, above, levels, floor, minima: found ? [found.slice(0, 2)] : minima });
    map.lines_at = levels.map((level) => [level, lines_at(level, above, n)]);
  }
  return map;
}
function draw_land() {
  const host = $("o-map"), width = host.clientWidth, height = Math.round(Math.min(width * 0.78, 560));
  if (!width) return;
  const { ground } = now.race, view = fitted(ground.about.box, width, height), n = ground.size ? 56 : 128;
  const { floor, minima, lines_at: lines } = land_of(ground, view.box, n);
  map.view = view;
  host.style.height = `${height}px`;
  for (const picture of [map.land, map.paths]) picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const at = ([i, j]) => `${((i / (n - 1)) * width).toFixed(1)} ${(height - (j / (n - 1)) * height).toFixed(1)}`;
  const parts = [];
  for (const [level, found] of lines) {
    const d = found.map((line) => `M${line.map(at).join("L")}`).join("");
    parts.push(svg("path", { class: "level", d }));
    const longest = found.reduce((a, b) => (b.length > a.length ? b : a), []);
    const places = longest.map(at).map((text) => text.split(" ").map(Number));
    const clear = places.filter(([u, v]) => u > 24 && u < width - 24 && v > 14 && v < height - 26);
    const [u, v] = clear[Math.floor(clear.length * ((0.15 + 0.618 * parts.length) % 1))] ?? [];
    if (u !== undefined && longest.length > 12) parts.push(svg("text", { class: "height", x: u, y: v + 4, "text-anchor": "middle" }, short(Number((level + floor).toPrecision(3)))));
  }
  const [left, right, bottom, top] = view.box;
  for (const a of ticks(left, right, 6)) if (view.x(a) > 40 && view.x(a) < width - 12) parts.push(svg("text", { class: "tick", x: view.x(a), y: height - 6, "text-anchor": "middle" }, short(a)));
  for (const b of ticks(bottom, top, 6)) if (view.y(b) > 12 && view.y(b) < height - 24) parts.push(svg("text", { class: "tick", x: 6, y: view.y(b) + 4 }, short(b)));
  for (const [a, b] of minima) parts.push(svg("path", { class: "minimum", d: SHAPES[7], transform: `translate(${view.x(a)} ${view.y(b)}) scale(1.6)` }));
  map.land.replaceChildren(...parts);
  draw_shades(view);
}
// the darker, the higher: one shade for each level
function draw_shades({ width, height }) {
  const w = Math.ceil(width / 2), h = Math.ceil(height / 2), { above, levels, n } = map;
  const pen = Object.assign($("o-shade"), { width: w, height: h }).getContext("2d"), image = pen.createImageData(w, h);
  const [low, high] = [colour("land-low"), colour("land-high")].map(bytes);
  const shades = Array.from({ length: levels.length + 1 }, (_, k) => low.map((a, c) => a + ((high[c] - a) * k) / levels.length));
  for (let v = 0; v < h; v++)
    for (let u = 0; u < w; u++) {
      const i = (u / (w - 1)) * (n - 1), j = (1 - v / (h - 1)) * (n - 1), a = Math.min(Math.floor(i), n - 2), b = Math.min(Math.floor(j), n - 2);
      const k = b * n + a, s = i - a, t = j - b;
      const z = (above[k] * (1 - s) + above[k + 1] * s) * (1 - t) + (above[k + n] * (1 - s) + above[k + n + 1] * s) * t;
      let level = 0;
      while (level < levels.length && z >= levels[level]) level++;
      image.data.set([...shades[Number.isFinite(z) ? level : levels.length], 255], 4 * (v * w + u));
    }
  pen.putImageData(image, 0, 0);
}
// a path up to step t, and its small marks
function path_of(runner, t, view) {
  const within = (u) => Math.max(-1e4, Math.min(1e4, u)), { points } = runner;
  const at = (i) => [within(view.x(points[i][0])), within(view.y(points[i][1]))];
  if (runner.view !== view) Object.assign(runner, { view, trail: new Trail(at) });
  const last = Math.min(t, points.length - 1), marked = [...SMALL_MARKS].filter((i) => i <= last);
  return [runner.trail.upto(last), marked.map((i) => `M${at(i).map((u) => u.toFixed(1))}h0`).join("")];
}
function draw_paths() {
  const { view } = map;
  if (!view) return;
  const kept = now.race.runners.map(({ name }) => name + colours[name]).join();
  if (map.kept !== kept) {
    map.kept = kept;
    map.start = svg("circle", { class: "start", r: 7 });
    map.lines = new Map(now.race.runners.map(({ name }) => {
      const { kind, dash, shape } = look(name), parts = ["halo", `${kind} path`, `${kind} small`, `${kind} mark`].map((part) => svg("path", { class: part }));
      parts[1].setAttribute("stroke-dasharray", dash);
      parts[3].setAttribute("d", shape);
      return [name, parts];
    }));
    map.paths.replaceChildren(map.start, ...[...map.lines.values()].flat());
  }
  const [a, b] = now.plan.start;
  map.start.setAttribute("transform", `translate(${view.x(a)} ${view.y(b)})`);
  for (const runner of now.race.runners) {
    const [halo, line, small, tip] = map.lines.get(runner.name), [d, marks] = path_of(runner, now.t, view);
    halo.setAttribute("d", d);
    line.setAttribute("d", d);
    small.setAttribute("d", marks);
    const { x, y } = where(runner, now.t), inside = (z, most) => Math.max(2, Math.min(most - 2, z));
    tip.setAttribute("transform", `translate(${inside(view.x(x), view.width)} ${inside(view.y(y), view.height)}) scale(${runner.name === now.focus ? 1.4 : 1})`);
    for (const part of [halo, line]) part.classList.toggle("focused", runner.name === now.focus);
  }
}
// the map, the paths and a list of the rules as one picture
function picture_of_map() {
  const both = standing_alone(map.land), { width, height } = map.view, legend = svg("g");
  now.race.runners.forEach(({ name }, i) => {
    const { kind, dash, shape } = look(name), row = svg("g", { transform: `translate(${width + 12} ${20 + 20 * i})` });
    row.append(svg("path", { class: `${kind} path`, d: "M0 0H36", "stroke-dasharray": dash }));
    row.append(svg("path", { class: `${kind} mark`, d: shape, transform: "translate(18 0)" }));
    row.append(svg("text", { class: "tick", x: 44, y: 4 }, name));
    legend.append(row);
  });
  map.paths.append(legend); // for a moment: only what is on the page has a style
  const above = standing_alone(map.paths);
  legend.remove();
  both.append(...above.childNodes);
  for (const [name, value] of [["viewBox", `0 0 ${width + 140} ${height}`], ["width", width + 140], ["height", height]])
    both.setAttribute(name, value);
  // as text: the page itself may load no picture
  const card = `<rect width="${width + 140}" height="${height}" fill="${colour("card")}"/>`;
  const back = `<image href="${$("o-shade").toDataURL()}" width="${width}" height="${height}" preserveAspectRatio="none"/>`;
  return new XMLSerializer().serializeToString(both).replace(">", `>${card}${back}`);
}
