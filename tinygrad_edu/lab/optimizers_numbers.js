// A rule's equations, and the same with the numbers of one step in them.
const figure = (x, digits = 4) => (Number.isInteger(x) && Math.abs(x) < 1e6 ? String(x) : Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6 ? x.toExponential(2) : String(Number(x.toPrecision(digits))));
const MATHML = "http://www.w3.org/1998/Math/MathML";
function math_number(x, inside = true) {
  const made = document.createElementNS(MATHML, "mn");
  const text = Number.isFinite(x) ? figure(x).replace("-", "−") : "–";
  made.textContent = inside && text.startsWith("−") ? `(${text})` : text;
  return made;
}
// numbers and the signs between them; the last number is the result
function math_row(...parts) {
  const made = (tag, text = "") => Object.assign(document.createElementNS(MATHML, tag), { textContent: text });
  const math = made("math");
  math.append(...parts.map((part, i) => (i % 2 ? made("mo", part) : math_number(part, i < parts.length - 1))));
  return math;
}
// the names of an equation, as elements: [element, name of the number]
function letters_of(math, { letters }) {
  const parts = [...math.querySelectorAll("msub, mi")].filter((part) => part.localName === "msub" || part.parentNode.localName !== "msub");
  return parts.map((part) => [part, letters[part.textContent]]).filter(([, name]) => name);
}
// the right side of an equation with numbers for its letters, and the number that it makes
const right_sides = {}; // of each rule, read once
function right_side(rule, line) {
  const lines = (right_sides[rule] ??= rules[rule].equations.split("\n").map((text) => {
    const host = element("div");
    host.innerHTML = text;
    return host.firstChild;
  }));
  return lines[line].cloneNode(true);
}
function with_numbers(rule, line, { known, value }) {
  const math = right_side(rule, line), arrow = [...math.children].findIndex((part) => part.textContent === "←");
  for (const part of [...math.children].slice(0, arrow + 1)) part.remove();
  for (const [part, name] of letters_of(math, rules[rule])) if (name in known) part.replaceWith(math_number(known[name]));
  math.append(...math_row(0, "=", value).childNodes);
  math.children[math.children.length - 3].remove();
  math.setAttribute("display", "inline");
  return math;
}
const GREEK = { alpha: "α", beta: "β", rho: "ρ", eps: "ε", mu: "μ", lambd: "λ" };
const in_greek = (text) => text.replace(/\b(alpha|beta|rho|eps|mu|lambd)(?=\d?\b|_)/g, (name) => GREEK[name]).replace(/ - /g, " − ");
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
const meaning = (rule, name) =>
  MEANING[name] ?? (rules[rule].state.includes(name) ? "kept from step to step: an average, a sum or a velocity" : "computed for this step");

// the equations in letters; each letter says what it is, and its value at this step
function show_equations(host, name, numbers) {
  const rule = rules[name];
  host.innerHTML = rule.equations;
  for (const [part, word] of letters_of(host, rule)) {
    part.setAttribute("class", "letter");
    part.setAttribute("tabindex", 0);
    part.says = () => {
      const value = numbers()[word], about = `${part.textContent}: ${meaning(name, word)}`;
      const whose = ["p", "g", ...rule.state].includes(word) ? " of x" : "";
      return Number.isFinite(value) ? `${about}\n${figure(value)}${whose} at this step` : about;
    };
  }
}
// one row for each number of the step: its name, its value for x and for y, and the formula with the numbers of one
function show_numbers(body, runner, steps, chosen) {
  const { corrected, letters, state } = rules[runner.name], row = (...cells) => body.append(element("tr", {}, ...cells));
  const shown = (name) => Object.keys(letters).find((text) => letters[text] === name) ?? name;
  const head = (text) => Object.assign(element("th", { textContent: text }), { scope: "row" });
  const cell = (x) => element("td", { textContent: said(x) }), told_here = (...parts) => element("td", { className: "formula" }, ...parts);
  body.replaceChildren();
  row(head("g"), ...steps.map((lines) => cell(lines[0].known.g)), told_here("the gradient at this point"));
  steps[chosen].forEach(({ word }, line) => {
    row(head(shown(word)), ...steps.map((lines) => cell(lines[line].value)), told_here(with_numbers(runner.name, line, steps[chosen][line])));
    for (const [factor, name] of corrected)
      if (name === word && state.includes(word)) {
        const known = steps.map((lines) => lines[line].known[factor]), values = steps.map((lines, i) => known[i] * lines[line].value);
        const product = math_row(known[chosen], "·", steps[chosen][line].value, "=", values[chosen]);
        row(head(`${shown(factor)} · ${shown(name)}`), ...values.map(cell), told_here(product, " corrected for the start at 0"));
      }
  });
  const moves = steps.map((lines) => lines.at(-1).known.p !== undefined && lines.findLast(({ word }) => word === "p").value - lines[0].known.p);
  row(head("step"), ...moves.map(cell), told_here("how far p has moved"));
}
