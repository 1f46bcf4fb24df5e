// The knobs: each is a setting of the run. Most begin it anew; what can be changed under way is noted for the script.
const RATES_OF_CHOICE = [-5, -4, -3, -2, -1, 0, 1].flatMap((e) => [1, 2, 5].map((k) => Number(`${k}e${e}`)));
const WORDS = { cross_entropy: "cross-entropy", mse_loss: "squared error", "": "as suits the activation" };
const options = (values) => values.map((value) => [value, WORDS[value] ?? String(value).replaceAll("_", " ")]);
const is_drawn = ({ data }) => data !== "digits" && data !== "own"; // by a formula, with noise
const SHARES = [0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1];
// knobs by name: where, label, the values, or the ends and step of a slider; when: whether it has a use
const KNOBS = {
  n: { at: "data", label: "Samples", values: [50, 100, 200, 300, 500, 1000], when: is_drawn },
  noise: { at: "data", label: "Noise", range: [0, 1, 0.05], when: is_drawn },
  test: { at: "data", label: "Held out to test", range: [0.1, 0.9, 0.1], when: is_drawn },
  batch: { at: "data", label: "Batch", values: [1, 2, 4, 8, 16, 32, 64, 0], words: { 0: "all" } },
  activation: { at: "model", label: "Activation", values: Object.keys(facts.names), when: (s) => s.layers.length },
  weights: { at: "model", label: "First weights", values: ["", ...Object.keys(WEIGHTS)] },
  loss: { at: "model", label: "Loss", values: ["cross_entropy", "mse_loss"], when: (s) => SETS[s.data].classes },
  dropout: { at: "model", label: "Dropout", range: [0, 0.8, 0.1], when: (s) => s.layers.length },
  rule: { at: "rule", label: "Rule", values: facts.order, id: "rule" },
  l1: { at: "rule", label: "l1", values: SHARES, part: "l2" },
  l2: { at: "rule", label: "l2", values: SHARES },
  schedule: { at: "rule", label: "Schedule", values: () => ["", ...Object.keys(schedules)], words: { "": "constant" } },
};
const settings_now = () => pg.run.settings;

function knob(label, input, extra = []) {
  return element("label", {}, element("span", { textContent: label }), input, ...extra);
}
function choice(values, value, words = {}) {
  const list = typeof values === "function" ? values() : values, select = element("select");
  for (const [item, text] of options(list))
    select.append(new Option(words[item] ?? text, item, false, String(item) === String(value)));
  return select;
}
function slider([min, max, step], value) {
  const input = element("input", { type: "range" });
  Object.assign(input, { min, max, step });
  input.value = value;
  return input;
}
// one knob for a setting, whose change begins a new run
function setting_knob(name) {
  const { label, values, range, words, id } = KNOBS[name], value = settings_now()[name];
  const list = values && typeof values === "function" ? values() : values;
  const input = name === "rule" ? rule_choice(value) : list ? choice(list, value, words) : slider(range, value);
  const shown = element("output", { textContent: value, ariaLive: "off" });
  const number = (text) => (typeof SETTINGS[name] === "number" ? Number(text) : text);
  input.id = id ?? `pg-${name}`;
  input.oninput = () => (shown.textContent = input.value);
  input.onchange = () => renew(changed(name, number(input.value)));
  return why(knob(label, input, range ? [shown] : []), () => words_of(name));
}
// another rule begins with the rate that suits it, another schedule with its usual numbers
function changed(name, value) {
  if (name === "rule") return { rule: value, hyper: { lr: suggested(value) } };
  return name === "schedule" ? { schedule: value, numbers: { ...facts.schedules[value] } } : { [name]: value };
}
// the rules in their groups, those of courses in front
function rule_choice(value) {
  const words = Object.fromEntries(facts.order.map((name) => [name, rules[name].name])), select = element("select");
  for (const [label, names] of Object.entries(facts.groups))
    select.append(element("optgroup", { label }, ...choice(names, value, words).children));
  select.value = value;
  return select;
}

// the numbers of the rule and of the schedule, which may be changed under way
function hyper_knobs() {
  const { rule, schedule } = settings_now(), found = [];
  for (const [name, value] of Object.entries(rules[rule].hyper))
    if (!is_out("playground", name)) found.push(hyper_knob(name, pg.run.hyper[name] ?? value));
  if (rule === "rmsprop") found.push(hyper_knob("centered", Boolean(settings_now().hyper.centered)));
  for (const name of Object.keys(schedule ? facts.schedules[schedule] : {})) found.push(schedule_knob(name));
  return found;
}
function hyper_knob(name, value) {
  const kept = (value) => renew({ hyper: { ...settings_now().hyper, [name]: value } });
  if (typeof value === "boolean") {
    const input = element("input", { type: "checkbox", checked: value, id: `pg-h-${name}` });
    input.onchange = () => kept(input.checked);
    return knob(name, input);
  }
  if (name === "lr") {
    const values = [...new Set([...RATES_OF_CHOICE, value])].sort((a, b) => a - b), input = choice(values, value);
    input.id = "lr";
    input.onchange = () => new_rate(Number(input.value));
    return why(knob("learning rate", input), () => words_of("lr"));
  }
  const input = element("input", { type: "number", step: "any", id: `pg-h-${name}` });
  input.value = value;
  input.onchange = () => number_in(input, name) !== null && kept(input.valueAsNumber);
  return why(knob(name.replaceAll("_", " "), input), () => words_of(name));
}
function schedule_knob(name) {
  const input = element("input", { type: "number", step: "any", min: 0, id: `pg-s-${name}` });
  input.value = settings_now().numbers[name];
  const kept = (number) => renew({ numbers: { ...settings_now().numbers, [name]: number } });
  input.onchange = () => input.valueAsNumber > 0 && kept(input.valueAsNumber);
  return knob(`its ${name}`, input);
}
// a rate under way, which the script then has at the same step
function new_rate(lr) {
  const { run } = pg;
  if (!run.losses.length) return renew({ hyper: { ...run.settings.hyper, lr } });
  run.change(`optimizer.lr = ${rate_text(run.settings, lr)}`, () => (run.hyper.lr = lr));
  refresh();
}
const wanted = (name) => (KNOBS[name].when?.(settings_now()) ?? true) && !is_out("playground", KNOBS[name].part ?? name);
function draw_knobs() {
  for (const place of ["data", "model", "rule"]) {
    const names = Object.keys(KNOBS).filter((name) => KNOBS[name].at === place && wanted(name));
    const made = names.map(setting_knob);
    if (place === "data" && is_drawn(settings_now())) made.push(seed_button("seed", "New data"));
    if (place === "model") made.push(seed_button("start", "New first weights"));
    if (place === "model" && !is_out("playground", "depth")) made.unshift(depth_buttons());
    if (place === "rule") made.splice(1, 0, ...hyper_knobs());
    keep_focus(() => $(`pg-${place}-knobs`).replaceChildren(...made));
  }
  draw_sets();
}
function seed_button(name, label) {
  const button = element("button", { type: "button", textContent: label, id: `pg-${name}` });
  button.title = `seed ${settings_now()[name]}; the next is one more`;
  button.onclick = () => renew({ [name]: settings_now()[name] + 1 });
  return button;
}
function depth_buttons() {
  const { layers } = settings_now(), group = element("span", { className: "pg-depth" });
  const make = (text, label, id, enabled, next) => {
    const button = element("button", { type: "button", textContent: text, id, disabled: !enabled });
    button.setAttribute("aria-label", label);
    button.onclick = () => renew({ layers: next() });
    return button;
  };
  group.append(
    make("−", "Take the last hidden layer away", "pg-shallower", layers.length, () => layers.slice(0, -1)),
    element("span", { textContent: `${layers.length} hidden layer${layers.length === 1 ? "" : "s"}` }),
    make("+", "Add a hidden layer", "pg-deeper", layers.length < 6, () => [...layers, layers.at(-1) ?? 4]),
  );
  return group;
}
function draw_sets() {
  const now = settings_now().data;
  const buttons = Object.entries(SETS).map(([name, { title }]) => {
    const button = element("button", { type: "button", id: `pg-set-${name}` }, (thumbnails[name] ??= thumbnail(name)), title);
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", name === now);
    button.tabIndex = name === now ? 0 : -1;
    button.onclick = () => choose_set(name);
    button.onkeydown = (event) => turn(event, buttons, button);
    return button;
  });
  keep_focus(() => $("pg-sets").replaceChildren(...buttons));
}
// arrow keys go to the next of some buttons, round and round
function turn(event, buttons, button) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const next = buttons.at((buttons.indexOf(button) + by) % buttons.length);
  next.focus();
  next.click();
}
function choose_set(name) {
  const { classes, noise } = SETS[name], plain = name === "digits" || name === "regression";
  const loss = classes ? "cross_entropy" : "mse_loss", inputs = plain ? ["x1", "x2"] : settings_now().inputs;
  renew({ data: name, noise, loss, inputs, test: 0.2 });
}
const thumbnails = {};
function thumbnail(name) {
  const { X, y } = samples({ data: name, n: 120, noise: SETS[name].noise, test: 0.1, seed: 0 });
  const square = (a, k) => svg("path", { d: `M${6 + 4 * (k % 8)} ${8 + 4 * (k >> 3)}h4`, class: "text", opacity: a });
  const points = X.map((point, i) => (point.length === 2 ? point : [point[0], y[i][0]]));
  const parts = name === "digits" ? X[1].map(square) : thumb_dots(points, y);
  return svg("svg", { class: "pg-thumb", viewBox: "0 0 44 44", "aria-hidden": true }, ...parts);
}
// a path for each class
function thumb_dots(points, y) {
  const flat = points.flat(), low = Math.min(...flat), high = Math.max(...flat), paths = ["", "", ""];
  const place = (a) => 3 + (38 * (a - low)) / (high - low), kind = (label) => (label.length ? Number(label[0] > 0) : label);
  points.forEach(([a, b], i) => {
    paths[kind(y[i])] += `M${(place(a) - 1).toFixed(1)} ${(44 - place(b)).toFixed(1)}h2.4`;
  });
  return paths.map((d, k) => svg("path", { d, class: CLASS_COLOURS[k] }));
}
