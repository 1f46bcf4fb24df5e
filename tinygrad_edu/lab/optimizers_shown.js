// What is shown of a plan, its race and a step.
const place = () => facts.places[now.plan.surface];
const focused = () => now.race.runners.find(({ name }) => name === now.focus);

// --- all that changes with the step ---------------------------------------------------------------------------------
function draw() {
  draw_paths();
  draw_charts();
  for (const tell of [say_time, say_step, fill_table, show_rule]) tell();
}
// while it plays: the paths, and one other thing. Each chart changes 20 times a second, the numbers 4 times: nobody reads faster
function draw_turn() {
  const k = now.frames++ % 15;
  draw_paths();
  if (k % 3) return draw_charts([charts.loss, charts.moves][k % 3 - 1]);
  [say_time, fill_table, say_time, show_rule, say_time][k / 3]();
}
const say_time = () => ($("o-t").value = $("o-time").value = now.t);
// for those who listen: where the rule is that is shown
function say_step() {
  const runner = focused();
  if (!runner) return;
  const { x, y, loss } = where(runner, now.t), [a, b] = place().axes;
  const at = `${a} ${figure(x, 3)}, ${b} ${figure(y, 3)}, loss ${figure(loss, 3)}`;
  $("o-spoken").textContent = `Step ${now.t}, ${runner.name}: ${at}`;
}
function draw_charts(only) {
  const { race, t, steps } = now, { floor = 0 } = map;
  const above = (runner) => grown(runner, `above ${floor}`, (i) => Math.max(runner.losses[i] - floor, 0), 0);
  const moves = (runner) => grown(runner, "moves", (i) => where(runner, i + 1).move, 1);
  const lines = (values_of, first) =>
    race.runners.map((runner) => {
      const { name, gone } = runner, values = values_of(runner);
      return { name, ...look(name), values, first, gone, upto: Math.min(t - first, values.length - 1) };
    });
  if (only !== charts.moves) charts.loss.draw(lines(above, 0), steps, t);
  if (only !== charts.loss) charts.moves.draw(lines(moves, 1), steps, t);
}
// numbers of a runner, one for each step, that are kept as they come
function grown(runner, name, number, less) {
  const kept = (runner[name] ??= []);
  for (let i = kept.length; i < runner.points.length - less; i++) kept.push(number(i));
  return kept;
}
function fill_table() {
  now.race.runners.forEach((runner, i) => {
    const { x, y, loss, move, ended } = where(runner, now.t), [, ...cells] = $("o-table").rows[i].cells;
    const at = `${figure(x, 3)}, ${figure(y, 3)}`, height = ended ? `left at ${runner.gone}` : figure(loss);
    const texts = [figure(runner.hyper.lr), at, height, Number.isFinite(move) ? figure(move, 3) : "–"];
    texts.forEach((text, j) => (cells[j].textContent = text));
    cells[2].className = ended ? "ended" : "";
  });
}
function show_rule() {
  const runner = focused(), { axes } = place();
  $("o-numbers").replaceChildren();
  if (!runner) return;
  const { name } = rules[runner.name], shown = rules[runner.name].vectors ?? runner.name, rule = rules[shown], last = Math.min(now.t, runner.notes.length);
  const steps = last ? told(runner, last - 1) : null;
  $("o-which").textContent = steps ? `step ${last} of ${name}` : "none yet: take a step";
  $("o-chosen-is").textContent = `with the numbers of ${axes[now.chosen]}`;
  $("o-chosen").textContent = `show ${axes[1 - now.chosen]}`;
  if (steps) show_numbers($("o-numbers"), { name: shown }, steps, now.chosen);
  if (averages.source === "run") show_averages();
  now.numbers = steps?.[0].at(-1).known ?? { ...rule.hyper, ...runner.hyper };
  if ($("o-focus").textContent === name) return; // its equations stand there
  const notes = [...rule.where.map((text) => `with ${text}`), rule.note].filter(Boolean);
  const vectors = name === rule.name ? "" : ` Here x and y are a vector, which ${name} moves as ${rule.name} does.`;
  $("o-focus").textContent = name;
  $("o-about").textContent = rules[runner.name].about + vectors;
  $("o-notes").replaceChildren(...notes.map((text) => element("li", { textContent: in_greek(text) })));
  show_equations($("o-equations"), shown, () => now.numbers);
}

// --- all that changes with the plan alone ---------------------------------------------------------------------------
function show_plan() {
  const { plan } = now, { title, axes } = place(), ravine = plan.surface === "ravine", { size } = now.race.ground;
  const [x, y] = plan.start, fields = { surface: plan.surface, batch: plan.batch, x, y, steps: now.steps };
  for (const [name, value] of Object.entries(fields)) $(`o-${name}`).value = value;
  for (const name of ["k", "lr"]) $(`o-${name}`).value = Math.log10(plan[name]);
  $("o-time").max = now.steps;
  $("o-k-is").textContent = `k = ${figure(plan.k)}`;
  $("o-title").textContent = title.replace(/ \(mini-batches.*/, "");
  $("o-batch-field").hidden = !size;
  $("o-k-field").hidden = $("o-ravine").hidden = !ravine;
  axes.forEach((axis, i) => ($(`o-axis-${i}`).textContent = axis));
  $("o-key").textContent =
    "★ minimum; ○ start; small marks: steps 10, 20, 50, 100 …" + (size ? " The contours are of all digits." : "");
  show_rates();
  for (const box of $("o-rules").querySelectorAll("input")) {
    box.checked = plan.rules.includes(box.value);
    box.nextSibling.replaceWith(swatch(box.value));
  }
  $("o-more").open ||= $("o-more").querySelector(":checked") !== null;
  const none = element("td", { colSpan: 5, className: "quiet", textContent: "No rule is on: choose one above." });
  $("o-table").replaceChildren(...(plan.rules.length ? plan.rules.map(table_row) : [element("tr", {}, none)]));
  show_hyper();
  if (ravine) show_ravine();
}
// the switch says whose rates it stands for
function show_rates() {
  const { surface, tuned, lr } = now.plan, known = surface === "ravine" || surface in facts.rates;
  $("o-tuned").checked = tuned && known;
  $("o-tuned").disabled = !known;
  const words = {
    ravine: "what theory calls best: the rate of sgd, rate and momentum of heavy_ball",
    own: "no others are known for this formula",
  };
  $("o-tuned-is").textContent = words[surface] ?? "a rate for each rule, chosen by hand for this surface";
  $("o-lr-is").textContent = tuned && known ? "each its own" : figure(lr);
  $("o-lr-says").textContent = tuned && known ? "each rule at a rate of its own" : "the same rate for all";
}
function table_row(name) {
  const onclick = () => {
    now.focus = name;
    renew();
    $("o-table").querySelector("[aria-pressed=true]").focus();
  };
  const button = element("button", { type: "button", onclick }, swatch(name), name);
  button.setAttribute("aria-pressed", name === now.focus);
  button.dataset.says = `${rules[name].name}: ${rules[name].about} Click for its equation with this step's numbers.`;
  const cells = Array.from({ length: 4 }, () => element("td"));
  return element("tr", {}, element("th", { scope: "row" }, button), ...cells);
}
// one field for each hyper-parameter of the rule, but the rate
function show_hyper() {
  const host = $("o-hyper"), runner = focused();
  if (host.contains(document.activeElement)) return;
  const names = Object.keys(rules[now.focus]?.hyper ?? {}).filter((name) => name !== "lr");
  host.replaceChildren(...(runner ? names.map((name) => hyper_field(runner, name)) : []));
}
function hyper_field({ name: rule, hyper }, name) {
  const usual = rules[rule].hyper[name], value = hyper[name] ?? usual, yes = typeof usual === "boolean";
  const field = element("input", yes ? { type: "checkbox", checked: value } : { type: "number", step: "any", value });
  field.onchange = () => {
    const given = yes ? field.checked : number_in(field, name), { [name]: _, ...others } = now.plan.hyper[rule] ?? {};
    if (given === null) return;
    const chosen = { ...others, [name]: given };
    renew({ hyper: { ...now.plan.hyper, [rule]: chosen } });
  };
  const label = element("label", {}, `${name} `, field);
  label.dataset.says = `${name}: ${meaning(rule, name)}; by default ${usual}`;
  return label;
}
