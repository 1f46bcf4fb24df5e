// A rule's equations, and the same with the numbers of one step in them.
const GREEK = { alpha: "α", beta: "β", rho: "ρ", eps: "ε", mu: "μ", lambd: "λ" };
const MEANING = {
  p: "the parameter: where the path is",
  g: "the gradient: the slope of the loss here",
  lr: "the learning rate",
  beta: "the share of the average that each step keeps",
  beta1: "the share of m that each step keeps",
  beta2: "the share of v that each step keeps",
  momentum: "the share of the velocity that each step keeps",
  rho: "the share of the average that each step keeps",
  eps: "a small number that keeps the division from one by 0",
};
function meaning(rule, name) {
  const kept = rules[rule].state.includes(name);
  return MEANING[name] ?? (kept ? "kept from step to step: an average, a sum or a velocity" : "computed for this step");
}
function in_greek(text) {
  return text.replace(/\b(alpha|beta|rho|eps|mu|lambd)(?=\d?\b|_)/g, (name) => GREEK[name]).replace(/ - /g, " − ");
}
function figure(x, digits = 4) {
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x);
  if (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6) return x.toExponential(2);
  return String(Number(x.toPrecision(digits)));
}

// --- MathML ---------------------------------------------------------------------------------------------------------
function in_math(tag, textContent = "") {
  return Object.assign(document.createElementNS(space_of("math"), tag), { textContent });
}
// a number; a negative one in brackets if it stands inside of a formula
function math_number(x, inside = true) {
  const text = Number.isFinite(x) ? figure(x).replaceAll("-", "−") : "–";
  return in_math("mn", inside && text.startsWith("−") ? `(${text})` : text);
}
const result = (x) => [in_math("mo", "="), math_number(x, false)];
// the letters of an equation: pairs of an element and the name of the number that it stands for
function letters_of(math, { letters, kernel, sets }) {
  const given = arguments_of({ kernel });
  const whole = (part) => part.localName === "msub" || part.parentNode.localName !== "msub";
  const parts = [...math.querySelectorAll("msub, mi")].filter(whole);
  const named = parts.map((part) => [part, letters[part.textContent] ?? part.textContent]);
  return named.filter(([, name]) => given.includes(name) || sets.includes(name) || Object.values(letters).includes(name));
}
const sides = new Map(); // of the equations of each rule, read once: what stands left of the arrow, and right of it
function sides_of(rule, line) {
  if (!sides.has(rule))
    sides.set(rule, rule.equations.map((text) => {
      const math = Object.assign(element("div"), { innerHTML: text }).firstChild, parts = [...math.children];
      const arrow = parts.findIndex(({ textContent }) => textContent === "←"), left = parts.slice(0, arrow);
      for (const part of parts.slice(0, arrow + 1)) part.remove();
      math.setAttribute("display", "inline");
      return { left, right: math };
    }));
  const { left, right } = sides.get(rule)[line];
  return [left.map((part) => part.cloneNode(true)), right.cloneNode(true)];
}
// the right side of an equation with numbers for its letters, and the number that it makes
function with_numbers(rule, line, { known, value }) {
  const [, math] = sides_of(rule, line);
  for (const [part, name] of letters_of(math, rule))
    if (known[name] !== undefined && !is_array(rule, part, name)) part.replaceWith(math_number(known[name]));
  if (value !== undefined) math.append(...result(value));
  return math;
}
// the same as an equation, in pieces between which a line may break
function equation_of(rule, line, row) {
  const math = with_numbers(rule, line, row), [left] = sides_of(rule, line), pieces = [in_math("math")];
  for (const part of [...left, in_math("mo", "="), ...math.children]) {
    const breaks = part.localName === "mo" && "=+−·".includes(part.textContent);
    if (breaks) pieces.push(in_math("math"));
    if (breaks) part.setAttribute("form", "infix");
    pieces.at(-1).append(part);
  }
  return pieces;
}
// in a function of a whole array, such as rms(p), a letter stands for all numbers, not for that of a coordinate
const OF_NUMBERS = ["max", "min", "sign"];
function is_array({ state, sets }, part, name) {
  if (!["p", "g", ...state, ...sets].includes(name)) return false;
  for (let up = part.parentNode; up; up = up.parentNode) {
    const f = up.previousElementSibling;
    if (f?.localName === "mi" && !OF_NUMBERS.includes(f.textContent)) return true;
  }
  return false;
}
function product(a, b, value) {
  const math = in_math("math");
  math.append(math_number(a), in_math("mo", "·"), math_number(b), ...result(value));
  return math;
}

// --- on the page ----------------------------------------------------------------------------------------------------
// the equations in letters; each letter says what it is, and its value among the numbers of the step that is shown
function show_equations(host, name, numbers) {
  const rule = rules[name];
  host.innerHTML = rule.equations.join("\n");
  const letters = letters_of(host, rule), first = letters[0]?.[0];
  for (const [part, word] of letters) {
    part.setAttribute("class", "letter");
    part.setAttribute("tabindex", part === first ? 0 : -1);
    part.onkeydown = (event) => walk_letters(event, host);
    part.says = () => {
      const value = numbers()[word], about = `${part.textContent}: ${meaning(name, word)}`;
      const whose = ["p", "g", ...rule.state].includes(word) ? " of x" : "";
      return Number.isFinite(value) ? `${about}\n${figure(value)}${whose} at this step` : about;
    };
  }
}
// arrow keys go from letter to letter
function walk_letters(event, host) {
  const all = [...host.querySelectorAll(".letter")], at = all.indexOf(event.currentTarget);
  const next = all[at + ({ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key] ?? NaN)];
  if (!next) return;
  event.preventDefault();
  for (const part of all) part.setAttribute("tabindex", part === next ? 0 : -1);
  next.focus();
}
// one row for each number of the step: its name, its value for x and for y, and the formula with the numbers of one
function show_numbers(body, { name: rule }, steps, chosen) {
  const { corrected, letters } = rules[rule];
  const shown = (name) => Object.keys(letters).find((text) => letters[text] === name) ?? name;
  const row = (name, values, ...formula) => {
    const cells = values.map((x) => element("td", { textContent: said(x) }));
    const head = element("th", { scope: "row", textContent: name });
    body.append(element("tr", {}, head, ...cells, element("td", { className: "formula" }, ...formula)));
  };
  body.replaceChildren();
  row("g", steps.map((lines) => lines[0].known.g), "the gradient at this point");
  steps[chosen].forEach(({ word }, line) => {
    const values = steps.map((lines) => lines[line].value);
    row(shown(word), values, with_numbers(rules[rule], line, steps[chosen][line]));
    for (const [factor] of corrected.filter(([, name]) => name === word)) {
      const factors = steps.map((lines) => lines[line].known[factor]), made = values.map((x, i) => factors[i] * x);
      const formula = product(factors[chosen], values[chosen], made[chosen]);
      row(`${shown(factor)} · ${shown(word)}`, made, formula, " corrected for the start at 0");
    }
  });
  const ends = steps.map((lines) => lines.findLast(({ word }) => word === "p").value);
  row("step", ends.map((p, i) => p - steps[i][0].known.p), "how far p has moved");
}
