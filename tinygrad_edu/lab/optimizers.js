// Optimizers: the rules race on a surface. What is shown is a plan, the race that it makes, and a step of it.
const FIRST = { surface: "valley", rules: ["sgd", "momentum", "rmsprop", "adam"], lr: 0.1, tuned: false, hyper: {}, k: 20, batch: 16 };
const now = { plan: null, race: null, t: 0, steps: 0, focus: "adam", chosen: 0, good: false, playing: false, due: 0, last: 0 };
const still = matchMedia("(prefers-reduced-motion: reduce)");
const place = () => facts.places[now.plan.surface];

// --- what happens ---------------------------------------------------------------------------------------------------
// the race of the plan, up to the step that is shown
function renew(changes = {}) {
  Object.assign(now.plan, changes);
  if (!now.plan.rules.includes(now.focus)) now.focus = now.plan.rules.at(-1) ?? "";
  choose_colours(now.plan.rules);
  now.race = new Race(now.plan, now.good ? now.t : 0);
  show_plan();
  draw();
}
function go_to(t) {
  now.t = now.good ? Math.max(0, t) : 0;
  now.steps = Math.max(now.steps, now.t);
  while (now.race.t < now.t) now.race.step();
  draw();
}
function play(on) {
  if (on && now.t >= now.steps) go_to(0);
  if (on && still.matches) return go_to(now.steps);
  now.playing = on;
  $("o-play").textContent = on ? "Pause" : "Play";
  now.due = 0;
  now.last = performance.now();
  if (on) requestAnimationFrame(frame);
  else draw();
}
function frame(time) {
  if (!now.playing) return;
  now.due += (Math.min(100, Math.max(0, time - now.last)) * Number($("o-speed").value)) / 1000;
  now.last = time;
  const whole = Math.floor(now.due);
  now.due -= whole;
  if (whole) go_to(Math.min(now.steps, now.t + whole));
  now.t < now.steps ? requestAnimationFrame(frame) : play(false);
}
function choose_surface(name) {
  const { start, steps } = facts.places[name];
  Object.assign(now, { steps, t: steps });
  renew({ surface: name, start: [...start] });
  draw_land();
  draw();
}
function move_start(point) {
  const { box } = map.view, digits = [box[1] - box[0], box[3] - box[2]].map((size) => Math.max(0, 3 - Math.floor(Math.log10(size))));
  renew({ start: point.map((a, i) => Number(a.toFixed(digits[i]))) });
}

// --- what is shown --------------------------------------------------------------------------------------------------
function draw() {
  draw_paths();
  fill_table();
  draw_charts();
  for (const [id, value] of [["o-t", now.t], ["o-time", now.t]]) $(id).value = value;
  if (!now.playing || performance.now() - now.told > 200) show_rule();
}
function draw_charts() {
  const { race, t, steps } = now, { floor = 0 } = map;
  const lines = (values_of) =>
    race.runners.map((runner) => {
      const values = values_of(runner), first = values === runner.moves ? 1 : 0;
      return { name: runner.name, ...look(runner.name), values, first, upto: Math.min(t - first, values.length - 1) };
    });
  charts.loss.draw(lines((runner) => grown(runner, "above", (i) => Math.max(runner.losses[i] - floor, 0), 0)), steps, t);
  charts.moves.draw(lines((runner) => grown(runner, "moves", (i) => where(runner, i + 1).move, 1)), steps, t);
}
// numbers of a runner, one for each step, that are kept as they come
function grown(runner, name, number, less) {
  const kept = (runner[name] ??= []);
  for (let i = kept.length; i < runner.points.length - less; i++) kept.push(number(i));
  return kept;
}
function fill_table() {
  now.race.runners.forEach((runner, i) => {
    const { x, y, loss, move, ended } = where(runner, now.t), cells = $("o-table").rows[i].cells;
    const texts = [figure(runner.hyper.lr), `${figure(x, 3)}, ${figure(y, 3)}`, ended ? `left at ${runner.gone}` : figure(loss), Number.isFinite(move) ? figure(move, 3) : "–"];
    texts.forEach((text, j) => (cells[j + 1].textContent = text));
    cells[3].className = ended ? "ended" : "";
  });
}
// all that changes with the plan alone
function show_plan() {
  const { plan } = now, { title, axes } = place(), ravine = plan.surface === "ravine";
  for (const [id, value] of [["o-surface", plan.surface], ["o-batch", plan.batch], ["o-k", Math.log10(plan.k)], ["o-lr", Math.log10(plan.lr)], ["o-x", plan.start[0]], ["o-y", plan.start[1]], ["o-steps", now.steps]]) $(id).value = value;
  $("o-time").max = now.steps;
  $("o-k-is").textContent = `k = ${figure(plan.k)}`;
  
  $("o-title").textContent = title.replace(/ \(mini-batches.*/, "");
  $("o-batch-field").hidden = !now.race.ground.size;
  $("o-k-field").hidden = $("o-ravine").hidden = !ravine;
  const known = ravine || plan.surface in facts.rates;
  $("o-tuned").checked = plan.tuned && known;
  $("o-tuned").disabled = !known;
  $("o-tuned-is").textContent = ravine
    ? "the best: rate of sgd, rate and momentum of heavy_ball"
    : known ? "each its own, chosen by hand for this surface" : "no others are known for this formula";
  $("o-lr-is").textContent = plan.tuned && known ? "each its own" : figure(plan.lr);
  $("o-lr-says").textContent = plan.tuned && known ? "each rule at a rate of its own" : "the same rate for all";
  for (const box of $("o-rules").querySelectorAll("input")) {
    box.checked = plan.rules.includes(box.value);
    box.nextSibling.replaceWith(swatch(box.value));
  }
  axes.forEach((axis, i) => ($(`o-axis-${i}`).textContent = axis));
  $("o-key").textContent = `★ minimum; ○ start; small marks: steps 10, 20, 50, 100 …${now.race.ground.size ? " The contours are of all digits." : ""}`;
  $("o-table").replaceChildren(...plan.rules.map(table_row));
  show_hyper();
  if (ravine) show_ravine();
}
function table_row(name) {
  const button = element("button", { type: "button", onclick: () => ((now.focus = name), renew()) }, swatch(name), name);
  button.setAttribute("aria-pressed", name === now.focus);
  button.dataset.says = `${rules[name].name}: ${rules[name].about} Click for its equation with this step's numbers.`;
  return element("tr", {}, element("th", { scope: "row" }, button), ...Array.from({ length: 4 }, () => element("td")));
}
function show_rule() {
  const runner = now.race.runners.find(({ name }) => name === now.focus), { axes } = place();
  now.told = performance.now();
  $("o-numbers").replaceChildren();
  if (!runner) return;
  const { name, about, where: words, note } = rules[runner.name], last = Math.min(now.t, runner.notes.length);
  const steps = last ? told(runner, last - 1) : null;
  $("o-which").textContent = steps ? `step ${last} of ${name}` : "none yet: take a step";
  $("o-chosen-is").textContent = `with the numbers of ${axes[now.chosen]}`;
  $("o-chosen").textContent = `show ${axes[1 - now.chosen]}`;
  if (steps) show_numbers($("o-numbers"), runner, steps, now.chosen);
  if (averages.source === "run") show_averages(charts.averages, signal());
  now.numbers = steps?.[0].at(-1).known ?? { ...rules[runner.name].hyper, ...runner.hyper };
  if ($("o-focus").textContent === name) return; // its equations stand there
  $("o-focus").textContent = name;
  $("o-about").textContent = about;
  show_equations($("o-equations"), runner.name, () => now.numbers);
  $("o-notes").replaceChildren(...[...words.map((text) => `with ${text}`), note].filter(Boolean).map((text) => element("li", { textContent: in_greek(text) })));
}
const signal = () => {
  const runner = now.race.runners.find(({ name }) => name === now.focus);
  return { values: averages.source === "run" && runner ? runner.notes.slice(0, now.t).map(({ g }) => g[0]) : facts.year };
};
// one field for each hyper-parameter of the rule, but the rate
function show_hyper() {
  const rule = rules[now.focus], host = $("o-hyper");
  if (!rule || host.contains(document.activeElement)) return;
  const runner = now.race.runners.find(({ name }) => name === now.focus), fields = Object.entries(rule.hyper).filter(([name]) => name !== "lr");
  host.replaceChildren(...fields.map(([name, usual]) => {
    const value = runner.hyper[name] ?? usual, yes = typeof usual === "boolean";
    const field = element("input", yes ? { type: "checkbox", checked: value } : { type: "number", step: "any", value });
    field.onchange = () => {
      const given = yes ? field.checked : field.valueAsNumber;
      const { [name]: _, ...others } = now.plan.hyper[now.focus] ?? {};
      renew({ hyper: { ...now.plan.hyper, [now.focus]: yes || Number.isFinite(given) ? { ...others, [name]: given } : others } });
    };
    const label = element("label", {}, `${name} `, field);
    label.dataset.says = `${name}: ${meaning(now.focus, name)}; by default ${usual}`;
    return label;
  }));
}
// stability on the ravine: a scale of rates, on which each rule has the stretch where it is stable
function show_ravine() {
  const { k } = now.plan, beta = now.race.runners.find(({ name }) => name === "heavy_ball")?.hyper.momentum ?? rules.heavy_ball.hyper.momentum;
  const [limit, best, left, limit_ball, best_beta, best_rate, left_ball] = ravine_facts(k, beta).map((x) => Number(x.toPrecision(4)));
  const { lr } = now.plan, says = (most) => (lr < most ? "stable" : "it diverges");
  $("o-ravine-is").replaceChildren(
    `Curvatures 1 and L = k = ${figure(k)}. Gradient descent is stable below 2/L = ${limit}; at the rate ${figure(lr)}: `, element("strong", {}, says(limit)),
    `. At its best rate 2/(1 + L) = ${best} each step leaves ${figure(100 * left)} % of the distance. Heavy ball with momentum ${figure(beta)} is stable below 2(1 + β)/L = ${limit_ball}: `, element("strong", {}, says(limit_ball)),
    `. Its best momentum is ((√k − 1)/(√k + 1))² = ${best_beta}, at the rate (2/(√k + 1))² = ${best_rate}: each step leaves ${figure(100 * left_ball)} %.`,
  );
  const width = Math.max(260, $("o-scale").clientWidth || 300), x = (rate) => 8 + ((width - 16) * (Math.log10(rate) + 4)) / 6;
  const picture = svg("svg", { viewBox: `0 0 ${width} 104`, class: "stability", role: "img", "aria-label": `Stable rates: gradient descent below ${limit}, heavy ball below ${limit_ball}; now ${figure(lr)}` });
  [["gradient descent", "sgd", limit, best], [`heavy ball, β = ${figure(beta)}`, "heavy_ball", limit_ball, best_rate]].forEach(([text, name, most, good], i) => {
    const y = 22 + 32 * i, { kind, shape } = look(name);
    picture.append(svg("text", { class: "tick", x: 8, y: y - 5 }, `${text}: stable below ${most}`));
    picture.append(svg("path", { class: `${kind} band`, d: `M${x(1e-4)} ${y + 6}H${x(most)}` }), svg("path", { class: `${kind} mark`, d: shape, transform: `translate(${x(good)} ${y + 6})` }));
  });
  for (let e = -4; e <= 2; e += width < 300 ? 2 : 1) picture.append(svg("text", { class: "tick", x: x(10 ** e), y: 98, "text-anchor": e === -4 ? "start" : e === 2 ? "end" : "middle" }, short(10 ** e)));
  picture.append(svg("path", { class: "rate", d: `M${x(lr)} 8V84` }));
  picture.says = () => "Rates on a logarithmic scale. Bars: where the rule is stable; marks: its best rate (of heavy ball: with its best momentum); the line: the rate now.";
  $("o-scale").replaceChildren(picture);
}

// --- the controls ---------------------------------------------------------------------------------------------------
const charts = { loss: new Chart($("o-loss"), { log: true }), moves: new Chart($("o-moves"), { log: true, height: 150 }), averages: new Chart($("o-averages"), { unit: "t", height: 290 }) };
function ways_to_steer() {
  for (const name of Object.keys(facts.places)) $("o-surface").append(new Option(name === "own" ? `your formula: ${facts.places[name].title}` : facts.places[name].title.split(":")[0], name));
  for (const name of facts.order) {
    const box = element("input", { type: "checkbox", value: name, onchange: () => {
      const { rules: on } = now.plan;
      if (box.checked) now.focus = name;
      renew({ rules: facts.order.filter((other) => (other === name ? box.checked : on.includes(other))) });
    } });
    const label = element("label", {}, box, swatch(name), name);
    label.dataset.says = `${rules[name].name}: ${rules[name].about}`;
    $("o-rules").append(label);
  }
  $("o-surface").onchange = () => choose_surface($("o-surface").value);
  $("o-lr").oninput = () => renew({ lr: Number((10 ** Number($("o-lr").value)).toPrecision(3)), tuned: false });
  $("o-k").oninput = () => (renew({ k: Number((10 ** Number($("o-k").value)).toPrecision(3)) }), draw_land(), draw());
  $("o-batch").onchange = () => renew({ batch: Number($("o-batch").value) });
  $("o-tuned").onchange = () => renew({ tuned: $("o-tuned").checked });
  for (const [i, id] of ["o-x", "o-y"].entries())
    $(id).onchange = () => Number.isFinite($(id).valueAsNumber) && renew({ start: now.plan.start.map((a, j) => (i === j ? $(id).valueAsNumber : a)) });
  $("o-steps").onchange = () => {
    now.steps = Math.max(1, Math.min(5000, Math.round($("o-steps").valueAsNumber) || now.steps));
    now.t = Math.min(now.t, now.steps);
    renew();
  };
}
function ways_to_play() {
  $("o-play").onclick = () => play(!now.playing);
  $("o-step").onclick = () => (play(false), go_to(now.t + 1));
  $("o-back").onclick = () => (play(false), go_to(now.t - 1));
  $("o-reset").onclick = () => (play(false), go_to(0));
  $("o-time").oninput = ({ target: { value } }) => (play(false), go_to(Number(value)));
  $("o-chosen").onclick = () => ((now.chosen = 1 - now.chosen), show_rule());
  $("o-beta").oninput = () => ((averages.beta = beta_of(Number($("o-beta").value))), show_averages(charts.averages, signal()));
  $("o-source").onchange = () => ((averages.source = $("o-source").value), show_averages(charts.averages, signal()));
  $("o-python").onclick = () => {
    const text = Object.assign($("o-script"), { textContent: python_of(now.race, now.t), hidden: false }).textContent;
    navigator.clipboard?.writeText(text);
    $("o-said").textContent = "It is copied, and stands below. It prints where each rule ends.";
  };
  $("o-svg").onclick = () => download(`${now.plan.surface}.svg`, picture_of_map(), "image/svg+xml");
  for (const chart of [charts.loss, charts.moves]) {
    chart.picture.addEventListener("click", (event) => (play(false), go_to(chart.step_at(event))));
    chart.picture.addEventListener("keydown", (event) => {
      const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (turn) (event.preventDefault(), play(false), go_to(Math.min(now.steps, now.t + turn)));
    });
  }
  for (const chart of Object.values(charts)) chart.picture.says = (event) => chart_says(chart, event);
}
function chart_says(chart, event) {
  const t = event.type === "pointermove" ? chart.step_at(event) : chart.now ?? chart.n;
  const rows = chart.series.map(({ name, values, first = 0 }) => `${name}: ${values[t - first] === undefined ? "–" : figure(values[t - first])}`);
  return `${chart.unit} ${t}\n${rows.join("\n")}`;
}
function ways_on_the_map() {
  const host = $("o-map");
  host.append(map.land, map.paths);
  const point = (event) => {
    const { left, top } = host.getBoundingClientRect();
    return map.view.back(event.clientX - left - 1, event.clientY - top - 1);
  };
  host.onpointerdown = (event) => (host.setPointerCapture(event.pointerId), play(false), move_start(point(event)));
  host.addEventListener("pointermove", (event) => event.buttons & 1 && host.hasPointerCapture(event.pointerId) && move_start(point(event)));
  host.onkeydown = (event) => {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!turn) return;
    event.preventDefault();
    const { box } = map.view, share = event.shiftKey ? 0.002 : 0.02, sizes = [box[1] - box[0], box[3] - box[2]];
    move_start(now.plan.start.map((a, i) => a + turn[i] * share * sizes[i]));
  };
  host.says = (event) => {
    const at = event.type === "pointermove" ? point(event) : now.plan.start, { loss, slopes } = now.race.ground.at(at), { axes } = place();
    return `${axes.map((axis, i) => `${axis} = ${figure(at[i])}`).join(", ")}\nloss ${figure(loss)}\ngradient (${slopes.map((slope) => figure(slope)).join(", ")})`;
  };
}

// --- the tab --------------------------------------------------------------------------------------------------------
ways_to_steer();
ways_to_play();
ways_on_the_map();
explains($("optimizers"));
now.plan = { ...FIRST, surface: "own" in facts.places ? "own" : FIRST.surface };
Object.assign(now.plan, { start: [...place().start] });
now.steps = now.t = place().steps;
renew();

tabs.optimizers = {
  lessons: Object.keys(LESSONS),
  ready(good) {
    now.good = good;
    for (const button of document.querySelectorAll("#optimizers .transport :disabled")) button.disabled = !good;
    renew();
  },
  show() {
    show_plan();
    draw_land();
    draw();
    show_averages(charts.averages, signal());
  },
  hide: () => play(false),
  state: () => {
    const { plan, t, steps, focus } = now, { surface, rules: on, lr, tuned, start, k, batch, hyper } = plan;
    const own = Object.entries(hyper).flatMap(([rule, values]) => Object.entries(values).map(([name, value]) => `${rule}.${name}:${value}`));
    const kept = { surface, rules: on, lr, start, t, n: steps, focus, beta: averages.beta, source: averages.source };
    return { ...kept, ...(now.lesson && { lesson: now.lesson }), ...(tuned && { tuned: 1 }), ...(surface === "ravine" && { k }), ...(now.race.ground.size && { batch }), ...(own.length && { hyper: own }) };
  },
  restore(link) {
    const kept = { ...begin_lesson(link.lesson ?? asked), ...link };
    const number = (name, usual, least, most) => {
      const given = parseFloat(kept[name]);
      return Number.isFinite(given) ? Math.min(most, Math.max(least, given)) : usual;
    };
    const surface = kept.surface in facts.places ? kept.surface : FIRST.surface, known = facts.places[surface];
    const start = (kept.start ?? "").split(",").map(parseFloat), hyper = {};
    for (const [, rule, name, value] of (kept.hyper ?? "").matchAll(/(\w+)\.(\w+):([^,]+)/g))
      if (rules[rule] && name in rules[rule].hyper) {
        const given = { true: true, false: false }[value] ?? Number(value);
        if (typeof given === typeof rules[rule].hyper[name] && !Number.isNaN(given)) (hyper[rule] ??= {})[name] = given;
      }
    const on = kept.rules === undefined ? FIRST.rules : kept.rules.split(",");
    Object.assign(now, { steps: Math.round(number("n", known.steps, 1, 5000)), t: Math.round(number("t", known.steps, 0, 5000)), focus: kept.focus in rules ? kept.focus : now.focus });
    Object.assign(averages, { beta: number("beta", 0.9, 0.2, 0.995), source: kept.source === "run" ? "run" : "year" });
    $("o-beta").value = -Math.log10(1 - averages.beta);
    $("o-source").value = averages.source;
    renew({
      surface, hyper, rules: facts.order.filter((name) => on.includes(name)), lr: number("lr", FIRST.lr, 1e-4, 100), tuned: kept.tuned === "1",
      start: start.length === 2 && start.every(Number.isFinite) ? start : [...known.start], k: number("k", FIRST.k, 1, 1000), batch: Math.round(number("batch", FIRST.batch, 0, 1e4)),
    });
  },
};
if (asked in LESSONS) tabs.optimizers.restore({});
