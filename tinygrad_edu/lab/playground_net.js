// The network: columns of units, each with its own map, and the weights between them.
const TILE = 24, FINE = 48; // squares along a side: of a unit's map, and of the output's

function draw_net() {
  const { sizes } = pg.run, net = $("pg-net");
  const columns = [input_column(), ...sizes.slice(1).map((n, k) => unit_column(k + 1, n))];
  pg.edges ??= net.querySelector("svg"); // hidden from readers: the panel below has each weight in a field of its own
  keep_focus(() => net.replaceChildren(tiles, pg.edges, ...columns));
  place_edges();
}
function input_column() {
  const head = element("span", { className: "pg-head" }, element("span", { textContent: "inputs" }));
  const column = element("div", { className: "pg-column" }, head);
  if (!is_plane()) {
    const tile = unit_button(0, 0, is_picture() ? "64 pixels" : "x₁");
    column.append(tile);
    return column;
  }
  for (const [name, { title }] of Object.entries(INPUTS)) {
    const { inputs } = pg.run.settings, on = inputs.includes(name), button = element("button", { type: "button" });
    if (is_out("playground", "inputs") && !on) continue;
    button.id = `pg-input-${name}`;
    button.className = "pg-input";
    button.setAttribute("aria-pressed", on);
    button.append(tile_place(on ? `0 ${inputs.indexOf(name)}` : name), element("span", { textContent: title }));
    button.dataset.unit = on ? `0 ${inputs.indexOf(name)}` : "";
    button.onclick = () => toggle_input(name);
    button.onkeydown = walk;
    column.append(button);
  }
  return column;
}
function toggle_input(name) {
  const { inputs } = pg.run.settings, order = Object.keys(INPUTS);
  const next = inputs.includes(name) ? inputs.filter((other) => other !== name) : [...inputs, name];
  if (next.length) renew({ inputs: next.sort((a, b) => order.indexOf(a) - order.indexOf(b)) });
}
function unit_column(k, n) {
  const last = k === pg.run.sizes.length - 1, column = element("div", { className: "pg-column" });
  const head = element("span", { className: "pg-head" }, element("span", { textContent: "outputs" }));
  column.append(last ? head : size_buttons(k, n));
  for (let j = 0; j < n; j++) column.append(unit_button(k, j, last ? output_name(j) : ""));
  return column;
}
const output_name = (j) => (pg.run.classes ? (is_picture() ? `${j}` : `${MARKS[j]} ${j}`) : "y");
function size_buttons(k, n) {
  const make = (text, label, id, enabled, by) => {
    const button = element("button", { type: "button", textContent: text, id, disabled: !enabled });
    button.setAttribute("aria-label", label);
    button.onclick = () => renew({ layers: pg.run.settings.layers.map((m, i) => (i === k - 1 ? m + by : m)) });
    return button;
  };
  const buttons = [
    make("−", `Take a unit out of layer ${k}`, `pg-less-${k}`, n > 1, -1),
    make("+", `Add a unit to layer ${k}`, `pg-more-${k}`, n < (is_picture() ? 32 : 8), 1),
  ];
  const name = element("span", { textContent: `${hidden(k)}: ${n}` });
  return element("span", { className: "pg-head" }, name, ...(is_out("playground", "depth") ? [] : buttons));
}
function unit_button(k, j, text) {
  const facts = { type: "button", className: "pg-unit", id: `pg-unit-${k}-${j}` };
  const button = element("button", facts, tile_place(`${k} ${j}`));
  if (text) button.append(element("span", { textContent: text }));
  button.dataset.unit = `${k} ${j}`;
  button.setAttribute("aria-label", k ? `${unit_name(k, j)}: how it comes about` : "The input");
  button.onclick = button.onfocus = button.onpointerenter = () => (choose({ k, j }), enlarge({ k, j }));
  button.onblur = button.onpointerleave = () => enlarge(null);
  button.onkeydown = walk;
  button.tabIndex = pg.chosen.k === k && pg.chosen.j === j ? 0 : -1;
  return button;
}
// the unit's map in place of the output, as long as the pointer or the focus is on it
function enlarge(unit) {
  pg.view.unit = unit;
  if (!pg.playing && is_plane()) draw_output();
  $("pg-output-name").textContent = unit && is_plane() ? unit_name(unit.k, unit.j) : "Output";
}
function tile_place(name) {
  const place = element("i", { className: "pg-tile" });
  place.dataset.tile = name;
  return place;
}
// arrow keys go from unit to unit
function walk(event) {
  const here = event.currentTarget, within = (column) => [...column.querySelectorAll(".pg-unit, .pg-input")];
  const columns = [...$("pg-net").querySelectorAll(".pg-column")].map(within);
  const x = columns.findIndex((column) => column.includes(here)), y = columns[x].indexOf(here);
  const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
  const column = columns[x + dx], next = column?.[Math.min(Math.max(y + dy, 0), column.length - 1)];
  if (!next || !(dx || dy)) return;
  event.preventDefault();
  next.focus();
}

// --- edges ----------------------------------------------------------------------------------------------------------
function place_edges() {
  const net = $("pg-net"), here = net.getBoundingClientRect(), { sizes } = pg.run;
  pg.paths = [];
  pg.places = new Map();
  pg.edges.replaceChildren();
  if (!here.width) return;
  const left = here.left - net.scrollLeft, size = { width: net.scrollWidth, height: net.scrollHeight };
  for (const tile of net.querySelectorAll(".pg-tile")) { // all asked before the first edge is drawn: after it, each
    const { x, y, width, height } = tile.getBoundingClientRect(); // question would have the page laid out anew
    pg.places.set(tile.dataset.tile, { x: x - left, y: y - here.top, width, height });
  }
  const middle = (tile, side) => {
    const { x, y, width, height } = pg.places.get(tile);
    return [x + side * width, y + height / 2];
  };
  for (const [name, value] of Object.entries(size)) {
    pg.edges.setAttribute(name, value);
    tiles[name] = Math.floor(value * devicePixelRatio);
    tiles.style[name] = `${value}px`;
  }
  for (let k = 1; k < sizes.length; k++)
    for (let i = 0; i < (is_picture() && k === 1 ? 1 : sizes[k - 1]); i++)
      for (let j = 0; j < sizes[k]; j++) {
        const [a, b] = middle(`${k - 1} ${i}`, 1), [c, d] = middle(`${k} ${j}`, 0), bend = (c - a) / 2;
        const curve = `M${a} ${b}C${a + bend} ${b} ${c - bend} ${d} ${c} ${d}`;
        pg.paths.push({ k, i, j, path: edge_path(curve, k, i, j) });
      }
}
function edge_path(curve, k, i, j) {
  const make = (name) => pg.edges.appendChild(svg("path", { d: curve, class: name }));
  const path = make("pg-edge"), touch = make("pg-touch"); // the second is wide and unseen, so that a pointer can hit it
  touch.onpointerenter = () => choose({ k, j, i });
  why(touch, () => weight_words(k, i, j));
  touch.onclick = () => (choose({ k, j, i }), $(`pg-w-${i}`)?.focus());
  return path;
}
function draw_edges() {
  const { params } = pg.run.optimizer, names = pg.run.program.params;
  for (const { k, i, j, path } of pg.paths) {
    const { data, shape } = params[names[2 * k - 2]], w = is_picture() && k === 1 ? 0 : data[i * shape[1] + j];
    const chosen = pg.chosen && !pg.chosen.quiet && pg.chosen.k === k && pg.chosen.j === j && (pg.chosen.i ?? i) === i;
    set_to(path, "class", `pg-edge ${w < 0 ? "minus" : "plus"}${chosen ? " chosen" : ""}`);
    set_to(path, "stroke-width", (0.6 + 3 * Math.min(Math.abs(w), 3) ** 0.8).toFixed(1));
  }
}

// --- maps of the units ----------------------------------------------------------------------------------------------
const palette = () => ["two", "card", "one"].map((name) => bytes(ink(name)));
const NAMES_OF = (k) => (k === 0 ? "X" : k === pg.run.sizes.length - 1 ? "outputs" : hidden(k));
// One canvas for all: each costs the browser time in each frame, whether it changes or not.
const tiles = element("canvas", { id: "pg-tiles", ariaHidden: true }), tile = element("canvas");
// the tiles, or of each `of` of them the one in place `turn`; while it plays, those that are no input stay
function draw_tiles(turn = 0, of = 1) {
  const pen = tiles.getContext("2d"), dots = devicePixelRatio, colours = palette();
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.imageSmoothingEnabled = false;
  [...pg.places].filter((_, i) => i % of === turn).forEach(([name, { x, y, width, height }]) => {
    const idle = name in INPUTS;
    if (idle && pg.playing) return;
    draw_tile(name, colours);
    pen.globalAlpha = idle ? 0.4 : 1;
    if (idle) pen.clearRect(x, y, width, height);
    pen.drawImage(tile, x, y, width, height);
  });
}
function draw_tile(name, colours) {
  const [k, j] = name.split(" ").map(Number);
  const of_unit = () => (is_picture() ? weights_image : unit_image)(k, j, colours);
  const image = name in INPUTS ? idle_image(name, colours) : of_unit();
  Object.assign(tile, { width: image.width, height: image.height });
  tile.getContext("2d").putImageData(image, 0, 0);
}
const unit_image = (k, j, colours) => image_of(pg.seen.values[NAMES_OF(k)], j, pg.seen.fine, colours);
// the colours of a column of values on the grid: the largest is as strong as the colour can be
function image_of(array, j, fine, palette, side = TILE) {
  const image = new ImageData(side, side), { data, shape } = array, n = shape[1], line = shape[0] < fine * fine;
  let most = 1e-9;
  for (let r = j; r < data.length; r += n) most = Math.max(most, Math.abs(data[r]));
  const step = fine / side;
  for (let v = 0, at = 0; v < side; v++)
    for (let u = 0; u < side; u++, at += 4) {
      const across = Math.floor((u + 0.5) * step), down = Math.floor((v + 0.5) * step);
      tint(image.data, at, data[((line ? 0 : down * fine) + across) * n + j] / most, palette);
    }
  return image;
}
function tint(pixels, at, share, [minus, none, plus]) {
  const end = share < 0 ? minus : plus, much = Math.min(Math.abs(share), 1) || 0;
  for (let c = 0; c < 3; c++) pixels[at + c] = none[c] + much * (end[c] - none[c]);
  pixels[at + 3] = 255;
}
function idle_image(name, palette) {
  const values = grid(TILE).map(([a, b]) => INPUTS[name].of(a, b));
  return image_of({ data: Float64Array.from(values), shape: [TILE * TILE, 1] }, 0, TILE, palette);
}
// of pictures: the digit itself, what the units of the first layer look for, and how much the others say
function weights_image(k, j, palette) {
  const image = new ImageData(8, 8), values = probed();
  const { data, shape } = pg.run.optimizer.params[pg.run.program.params[0]];
  const own = k === 0 ? pg.pixels : Array.from({ length: 64 }, (_, p) => data[p * shape[1] + j]);
  const shown = k > 1 ? Array(64).fill(values[NAMES_OF(k)].data[j]) : own;
  const most = k > 1 ? Math.max(...values[NAMES_OF(k)].data.map(Math.abs)) : Math.max(...shown.map(Math.abs), 1e-9);
  shown.forEach((a, p) => tint(image.data, 4 * p, a / most, palette));
  return image;
}
