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
  tip.textContent = whys.get(place)();
  tip.hidden = false;
  const r = place.getBoundingClientRect(), wide = place instanceof SVGElement; // an edge: beside the pointer
  const [x, y] = wide ? [event.clientX, event.clientY] : [r.left, r.bottom], { offsetWidth, offsetHeight } = tip;
  tip.style.left = `${Math.max(8, Math.min(x, innerWidth - offsetWidth - 8))}px`;
  tip.style.top = `${y + offsetHeight + 16 > innerHeight ? y - offsetHeight - (wide ? 12 : r.height + 8) : y + 12}px`;
}
function watch_whys() {
  const panel = $("playground"), hush = () => ($("pg-tip").hidden = true);
  for (const kind of ["pointerover", "focusin"]) panel.addEventListener(kind, tell);
  for (const kind of ["pointerleave", "focusout"]) panel.addEventListener(kind, hush);
  panel.addEventListener("keydown", (event) => event.key === "Escape" && hush());
}
