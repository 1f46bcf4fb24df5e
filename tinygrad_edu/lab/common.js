// What the tabs share: elements, numbers as text, canvases, colours, the link that holds the state.
const $ = (id) => document.getElementById(id);
const tabs = {}; // by name: { lessons, parts, ready(good), show(), hide(), state(), restore(state) }
let em = 1; // how large the text is, as a share of the usual: what is drawn grows with it
const measure_text = () => (em = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const bytes = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function said(x) {
  if (x === undefined || Number.isNaN(x)) return "–";
  return x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5) ? x.toExponential(3) : x.toFixed(5);
}
// is a number in the range that the library asks of a hyper-parameter of this name?
function in_range(name, x) {
  const [fits] = facts.ranges[name] ?? ["11111"], place = x < 0 ? 0 : x === 0 ? 1 : x < 1 ? 2 : x === 1 ? 3 : 4;
  return Number.isFinite(x) && fits[place] === "1";
}
// the number in a field if it is in range; else the field says what it has to be
function number_in(field, name) {
  const x = field.valueAsNumber, fits = in_range(name, x);
  field.setCustomValidity(fits ? "" : `${name} has to be ${facts.ranges[name]?.[1] ?? "a number"}`);
  field.reportValidity();
  return fits ? x : null;
}
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
// the name of SVG's or MathML's elements, looked up so that no address stands in the page
function space_of(tag) {
  return (space_of[tag] ??= element("div", { innerHTML: `<${tag}></${tag}>` }).firstChild.namespaceURI);
}
function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(space_of("svg"), tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
// an attribute, written if it changes: to write one makes the browser look at all styles again
const set_to = (part, name, value) => part.getAttribute(name) === value || part.setAttribute(name, value);
// as many dots as the screen has for it; returns the pen and the size to draw in
function pen_of(canvas, ratio) {
  const width = canvas.clientWidth, height = width * ratio, dots = devicePixelRatio, pen = canvas.getContext("2d");
  const [across, down] = [width * dots, height * dots].map(Math.floor);
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, width + 1, height + 1);
  return { pen, width, height };
}
// numbers from 0 to 1, the same in every browser: a linear congruential generator
function generator(seed) {
  return () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}
// the rate of a rule on a surface: that chosen by hand, or the rule's own, at most a quarter of that of sgd
function rate_on(surface, rule) {
  const known = facts.rates[surface];
  return known[rule] ?? Math.min(rules[rule].hyper.lr, known.sgd / 4);
}
