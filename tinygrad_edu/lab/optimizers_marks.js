// Parts of pictures: how a rule looks, round numbers for axes, and an SVG that is a file of its own.
const write = (text, x, y, kind = "tick", anchor = "middle") =>
  svg("text", { class: kind, x, y, "text-anchor": anchor }, text);

// --- how a rule looks: a mark and a dash, always the same, and a colour ---------------------------------------------
const SHAPES = [
  "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1 -5 0Z",
  "M-4.5 -4.5H4.5V4.5H-4.5Z",
  "M0 -5.5L5.5 4.5H-5.5Z",
  "M0 -6L6 0L0 6L-6 0Z",
  "M0 5.5L5.5 -4.5H-5.5Z",
  "M-2 -5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
  "M-5.5 -5.5L0 -2.2L5.5 -5.5L2.2 0L5.5 5.5L0 2.2L-5.5 5.5L-2.2 0Z",
  "M0 -6L1.6 -1.9L6 -1.9L2.5 0.9L3.7 5.2L0 2.6L-3.7 5.2L-2.5 0.9L-6 -1.9L-1.6 -1.9Z",
];
const STAR = SHAPES.at(-1);
const DASHES = ["none", "8 3", "8 3 2 3"];
let colours = {}; // of the rules that race
// each its own colour, as far as eight go: if an earlier one has it, the first that is free
function choose_colours(chosen) {
  colours = {};
  for (const rule of chosen) {
    const taken = Object.values(colours), wanted = facts.order.indexOf(rule) % 8;
    const free = [...SHAPES.keys()].find((k) => !taken.includes(k)) ?? wanted;
    colours[rule] = taken.includes(wanted) ? free : wanted;
  }
}
function look(rule) {
  const k = facts.order.indexOf(rule), shape = SHAPES[(k + Math.floor(k / 8)) % 8];
  const ink = `r${colours[rule] ?? k % 8}`;
  return { kind: `rule ${ink}`, ink, dash: DASHES[k % 3], shape };
}
// a piece of a rule's line with its mark
function sample_of(rule, u, v) {
  const { kind, dash, shape } = look(rule), place = svg("g", { transform: `translate(${u} ${v})` });
  place.append(svg("path", { class: `${kind} path`, d: "M-18 0H18", "stroke-dasharray": dash }));
  place.append(svg("path", { class: `${kind} mark`, d: shape }));
  return place;
}
function swatch(rule) {
  const size = { viewBox: "0 0 36 14", width: 36, height: 14, preserveAspectRatio: "xMidYMid slice" };
  return svg("svg", { ...size, "aria-hidden": true }, sample_of(rule, 18, 7));
}

// --- numbers on axes ------------------------------------------------------------------------------------------------
// round numbers from low to high, about n of them
function ticks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough)), found = [];
  const step = [1, 2, 5, 10].map((a) => a * power).find((a) => a >= rough);
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++)
    found.push(Number((k * step).toPrecision(12)));
  return found;
}
function short(x) {
  if (x !== 0 && (Math.abs(x) >= 1e4 || Math.abs(x) < 1e-3)) return x.toExponential(0).replace("e+", "e");
  return String(Number(x.toPrecision(4)));
}

// --- files ----------------------------------------------------------------------------------------------------------
const LINES = ["stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin"];
const KEPT = [...LINES, "fill", "opacity", "font-size", "font-family", "paint-order"];
// a copy that needs no style sheet: what the page's style says of each part stands in it
function standing_alone(picture) {
  const copy = picture.cloneNode(true), from = [picture, ...picture.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((part, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of KEPT) part.setAttribute(name, style.getPropertyValue(name));
    part.removeAttribute("class");
  });
  return copy;
}
function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
