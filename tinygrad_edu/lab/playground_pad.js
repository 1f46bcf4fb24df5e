// The pad: a picture of 8 × 8 pixels to draw on, which the network then reads.
function draw_pad() {
  const place = $("pg-pad-place"), { X_test } = pg.run.data;
  pg.pixels ??= [...X_test[0]];
  if (!place.firstChild) place.append(pad(), ...pad_buttons(), element("div", { id: "pg-odds" }));
  paint_pad();
}
function pad() {
  const canvas = element("canvas", { id: "pg-pad", width: 240, height: 240, tabIndex: 0 });
  canvas.setAttribute("role", "application");
  const words = "draw with the pointer; arrow keys move, the space bar paints, Delete clears a pixel";
  canvas.setAttribute("aria-label", `Pad of 8 by 8 pixels: ${words}`);
  canvas.onpointerdown = (event) => (canvas.setPointerCapture(event.pointerId), stroke(event));
  canvas.onpointermove = (event) => event.buttons && stroke(event);
  canvas.onkeydown = pad_key;
  return canvas;
}
function stroke(event) {
  const { left, top, width } = $("pg-pad").getBoundingClientRect();
  const [x, y] = [event.clientX - left, event.clientY - top].map((a) => (8 * a) / width);
  pg.pixels = pg.pixels.map((a, p) => {
    const far = Math.hypot((p % 8) + 0.5 - x, (p >> 3) + 0.5 - y);
    return Math.min(1, a + Math.max(0, Math.round(16 * (0.95 - 0.75 * far)) / 16));
  });
  refresh();
}
function pad_key(event) {
  const { key } = event, by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[key];
  if (!by && key !== " " && key !== "Delete") return;
  event.preventDefault();
  pg.pen = pg.pen ?? 27;
  const next = pg.pen + by, same_row = pg.pen >> 3 === next >> 3;
  if (by && next >= 0 && next < 64 && (same_row || Math.abs(by) === 8)) pg.pen = next;
  if (!by) pg.pixels[pg.pen] = key === " " ? 1 : 0;
  refresh();
}
function pad_buttons() {
  const clear = element("button", { type: "button", textContent: "Clear" });
  const next = element("button", { type: "button", textContent: "A digit of the test data" });
  clear.onclick = () => ((pg.pixels = Array(64).fill(0)), refresh());
  next.onclick = () => {
    const { X_test } = pg.run.data;
    pg.example = ((pg.example ?? 0) + 1) % X_test.length;
    pg.pixels = [...X_test[pg.example]];
    refresh();
  };
  return [clear, next];
}
function paint_pad() {
  const pen = $("pg-pad").getContext("2d"), cell = 30, focus = document.activeElement === $("pg-pad");
  pen.globalAlpha = 1;
  pen.fillStyle = ink("card");
  pen.fillRect(0, 0, 240, 240);
  pen.fillStyle = ink("text");
  pg.pixels.forEach((a, p) => ((pen.globalAlpha = a), pen.fillRect(cell * (p % 8), cell * (p >> 3), cell, cell)));
  pen.globalAlpha = 1;
  pen.strokeStyle = ink("line");
  for (let k = 0; k <= 8; k++) pen.strokeRect(cell * k, 0, 0, 240), pen.strokeRect(0, cell * k, 240, 0);
  pen.strokeStyle = ink("two");
  pen.lineWidth = 3;
  const [x, y] = [cell * (pg.pen % 8), cell * (pg.pen >> 3)];
  if (focus && pg.pen !== undefined) pen.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
  pen.lineWidth = 1;
  draw_odds(odds_of([...probed().outputs.data]));
}
function draw_odds(odds) {
  const best = odds.indexOf(Math.max(...odds));
  const bars = odds.map((share, k) => {
    const bar = element("meter", { max: 1, value: Math.max(0, Math.min(1, share)) });
    const className = k === best ? "best" : "";
    return element("label", { className }, `${k}`, bar, `${(100 * share).toFixed(1)} %`);
  });
  $("pg-odds").replaceChildren(...bars);
}
