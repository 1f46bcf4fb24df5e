// Optimizers: rules race on a surface. What is shown is a plan, the race that it makes, and a step of it.
const FIRST = { surface: "valley", rules: ["sgd", "momentum", "rmsprop", "adam"], lr: 0.1, k: 20, batch: 16 };
const now = { plan: null, race: null, t: 0, steps: 0, focus: "adam", chosen: 0, good: false, playing: false };
const charts = {
  loss: new Chart($("o-loss"), { log: true }),
  moves: new Chart($("o-moves"), { log: true, height: 150 }),
  averages: new Chart($("o-averages"), { unit: "t", height: 290 }),
};
const still = matchMedia("(prefers-reduced-motion: reduce)");

// --- what happens ---------------------------------------------------------------------------------------------------
// the race of the plan, worked out again up to the step that is shown; nothing moves before the page has proved itself
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
  now.playing && Number($("o-speed").value) > 20 ? draw_turn() : draw();
}
function go_and_stay(t) {
  play(false);
  go_to(t);
}
function play(on) {
  if (on && now.t >= now.steps) go_to(0);
  if (on && still.matches) return go_to(now.steps);
  Object.assign(now, { playing: on, frames: 0, due: 0, last: performance.now() });
  $("o-play").textContent = on ? "Pause" : "Play";
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
  now.steps = now.t = steps;
  renew({ surface: name, start: [...start] });
  draw_land();
  draw();
}
function move_start(point) {
  const [left, right, bottom, top] = map.view.box, sizes = [right - left, top - bottom];
  const digits = sizes.map((size) => Math.max(0, 3 - Math.floor(Math.log10(size))));
  renew({ start: point.map((a, i) => Number(a.toFixed(digits[i]))) });
}

// --- the controls ---------------------------------------------------------------------------------------------------
function rule_switch(name) {
  const box = element("input", { type: "checkbox", value: name });
  box.onchange = () => {
    const on = [...now.plan.rules, name].filter((other) => other !== name || box.checked);
    if (box.checked) now.focus = name;
    renew({ rules: facts.order.filter((other) => on.includes(other)) });
  };
  const label = element("label", {}, box, swatch(name), name);
  label.dataset.says = `${rules[name].name}: ${rules[name].about}`;
  return label;
}
// those of courses; the others can be unfolded
function rule_switches() {
  const [[, first], ...others] = Object.entries(facts.groups), rest = others.flatMap(([, names]) => names);
  const more = element("details", { id: "o-more" }, element("summary", { textContent: `${rest.length} more` }));
  for (const [words, names] of others) more.append(element("p", { textContent: words }), ...names.map(rule_switch));
  return [...first.map(rule_switch), more];
}
// many switches as one stop of the Tab key: arrow keys go from one to the next
function one_stop(host) {
  const all = [...host.querySelectorAll("input")], rest = (box) => all.forEach((other) => (other.tabIndex = other === box ? 0 : -1));
  rest(all[0]);
  host.addEventListener("focusin", ({ target }) => all.includes(target) && rest(target));
  host.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !all.includes(event.target)) return;
    event.preventDefault();
    const open = all.filter((box) => box.checkVisibility());
    open.at((open.indexOf(event.target) + by) % open.length).focus();
  });
}
function ways_to_steer() {
  const title = (name) => (name === "own" ? facts.places.own.title : facts.places[name].title.split(":")[0]);
  const power = (id) => Number((10 ** Number($(id).value)).toPrecision(3));
  for (const name in facts.places) $("o-surface").append(new Option(title(name), name));
  $("o-rules").append(...rule_switches());
  one_stop($("o-rules"));
  $("o-surface").onchange = () => choose_surface($("o-surface").value);
  $("o-lr").oninput = () => renew({ lr: power("o-lr"), tuned: false });
  $("o-batch").onchange = () => renew({ batch: Number($("o-batch").value) });
  $("o-tuned").onchange = () => renew({ tuned: $("o-tuned").checked });
  $("o-k").oninput = () => {
    renew({ k: power("o-k") });
    draw_land();
    draw();
  };
  for (const [i, id] of ["o-x", "o-y"].entries())
    $(id).onchange = ({ target: { valueAsNumber: given } }) =>
      Number.isFinite(given) && renew({ start: now.plan.start.map((a, j) => (i === j ? given : a)) });
  $("o-steps").onchange = () => {
    now.steps = Math.max(1, Math.min(5000, Math.round($("o-steps").valueAsNumber) || now.steps));
    now.t = Math.min(now.t, now.steps);
    renew();
  };
}
function ways_through_time() {
  $("o-play").onclick = () => play(!now.playing);
  $("o-step").onclick = () => go_and_stay(now.t + 1);
  $("o-back").onclick = () => go_and_stay(now.t - 1);
  $("o-reset").onclick = () => go_and_stay(0);
  $("o-time").oninput = ({ target: { value } }) => go_and_stay(Number(value));
  for (const chart of [charts.loss, charts.moves]) {
    chart.picture.addEventListener("click", (event) => go_and_stay(chart.step_at(event)));
    chart.picture.addEventListener("keydown", (event) => {
      const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!turn) return;
      event.preventDefault();
      go_and_stay(Math.min(now.steps, now.t + turn));
    });
  }
}
function ways_below() {
  $("o-chosen").onclick = () => {
    now.chosen = 1 - now.chosen;
    show_rule();
  };
  $("o-beta").oninput = () => {
    averages.beta = beta_of(Number($("o-beta").value));
    show_averages();
  };
  $("o-source").onchange = () => {
    averages.source = $("o-source").value;
    show_averages();
  };
  $("o-python").onclick = () => {
    const script = Object.assign($("o-script"), { textContent: python_of(now.race, now.t), hidden: false });
    navigator.clipboard?.writeText(script.textContent);
    $("o-said").textContent = "It stands below, and is copied if the browser lets it. It prints where each rule is at this step.";
  };
  $("o-svg").onclick = () => map.view && download(`${now.plan.surface}.svg`, picture_of_map(), "image/svg+xml");
}
function ways_on_the_map() {
  const host = $("o-map"), TURNS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  host.append(map.land, ...map.trails.canvases);
  const point = ({ clientX, clientY }) => {
    const { left, top } = host.getBoundingClientRect();
    return map.view.back(clientX - left - 1, clientY - top - 1);
  };
  host.onpointerdown = (event) => {
    host.setPointerCapture(event.pointerId);
    play(false);
    move_start(point(event));
  };
  host.onpointermove = (event) => {
    if (event.buttons & 1 && host.hasPointerCapture(event.pointerId)) move_start(point(event));
  };
  host.onkeydown = (event) => {
    const turn = TURNS[event.key], [left, right, bottom, top] = map.view.box, share = event.shiftKey ? 0.002 : 0.02;
    if (!turn) return;
    event.preventDefault();
    const [x, y] = now.plan.start;
    move_start([x + turn[0] * share * (right - left), y + turn[1] * share * (top - bottom)]);
  };
  host.says = (event) => {
    const at = event.type === "pointermove" ? point(event) : now.plan.start, { loss, slopes } = now.race.ground.at(at);
    const names = place().axes.map((axis, i) => `${axis} = ${figure(at[i])}`);
    return `${names.join(", ")}\nloss ${figure(loss)}\ngradient (${slopes.map((slope) => figure(slope)).join(", ")})`;
  };
}

// --- the tab --------------------------------------------------------------------------------------------------------
tabs.optimizers = {
  lessons: LESSONS,
  parts: PARTS,
  ready(good) {
    now.good = good;
    for (const part of document.querySelectorAll("#optimizers .transport :disabled")) part.disabled = !good;
    renew();
  },
  show() {
    for (const chart of Object.values(charts)) chart.measure();
    show_plan();
    draw_land();
    draw();
    show_averages();
  },
  hide: () => play(false),
  state: link_of,
  restore: follow_link,
};
ways_to_steer();
ways_through_time();
ways_below();
ways_on_the_map();
explains($("optimizers"));
now.plan = {};
follow_link({});
