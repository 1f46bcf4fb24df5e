// The race of the optimizers tab, without its pictures: a ground to move on, and the rules that move there.
const FAR = 10; // times the size of the picture: a path that gets so far away ends, as in tg.race

// A surface: its height and its slopes at a point, on all of its data or on the chosen rows; k : the ravine's condition
class Ground {
  constructor(name, k) {
    const { backprop, gradients, data } = surfaces[name];
    const given = name === "ravine" ? { k } : data;
    Object.assign(this, { name, backprop, gradients, about: facts.places[name], all: Object.values(given).map(np.array) });
    this.size = this.all.length && np.shape(this.all[0]).length ? np.shape(this.all[0])[0] : 0; // of its data
  }
  at([x, y], rows = null) {
    const data = rows ? this.all.map((column) => np.getitem(column, np.array(rows))) : this.all;
    const [loss, slopes] = this.backprop(x, y, ...data);
    return { loss, slopes: this.gradients.map((name) => slopes[name]) };
  }
  values(xs, ys) {
    if (this.size) return xs.map((x, i) => this.backprop(x, ys[i], ...this.all)[0]);
    const array = (numbers) => new np.NDArray([numbers.length], numbers);
    return np.broadcast_to(this.backprop(array(xs), array(ys), ...this.all)[0], [xs.length]).data;
  }
}
// the rate of a rule: the same for all, or the one that is known for this surface
function rate_of({ surface, k, lr, tuned }, rule) {
  if (!tuned) return lr;
  if (surface !== "ravine") return facts.rates[surface]?.[rule] ?? lr;
  const [, best, , , , with_momentum] = ravine_facts(k, 0);
  return { sgd: best, heavy_ball: with_momentum }[rule] ?? lr;
}
function hyper_of(plan, rule) {
  const known = plan.tuned && plan.surface === "ravine" && rule === "heavy_ball";
  return { ...(known ? { momentum: ravine_facts(plan.k, 0)[4] } : {}), ...plan.hyper[rule], lr: rate_of(plan, rule) };
}
// Rules from one start, step by step. plan : { surface, k, rules, start, lr, tuned, hyper, batch }
class Race {
  constructor(plan, steps = 0) {
    Object.assign(this, { plan, t: 0, batches: [], random: generator(1), ground: new Ground(plan.surface, plan.k) });
    const { box } = this.ground.about;
    this.middle = [(box[0] + box[1]) / 2, (box[2] + box[3]) / 2];
    this.far = [FAR * (box[1] - box[0]), FAR * (box[3] - box[2])];
    this.runners = plan.rules.map((name) => this.runner(name));
    while (this.t < steps) this.step();
  }
  runner(name) {
    const [x, y] = this.ground.gradients, hyper = hyper_of(this.plan, name), [a, b] = this.plan.start;
    const optimizer = new Optimizer(rules[name], { [x]: a, [y]: b }, hyper);
    return { name, hyper, optimizer, points: [[a, b]], losses: [this.ground.at([a, b]).loss], notes: [], gone: null };
  }
  // the rows of the mini-batch of a step, the same for all rules; null for all rows
  rows(t) {
    const { batch } = this.plan, { size } = this.ground;
    if (!size || !batch || batch >= size) return null;
    while (this.batches.length <= t)
      this.batches.push(Array.from({ length: batch }, () => Math.floor(this.random() * size)));
    return this.batches[t];
  }
  step() {
    const rows = this.rows(this.t++);
    for (const runner of this.runners) if (runner.gone === null) this.move(runner, rows);
  }
  move(runner, rows) {
    const { optimizer, points } = runner, { ground } = this, { slopes } = ground.at(points.at(-1), rows);
    const before = optimizer.averages.map((average) => average.slice()), p = optimizer.data.slice();
    optimizer.step(Object.fromEntries(ground.gradients.map((name, i) => [name, slopes[i]])));
    const point = [...optimizer.data];
    if (!point.every(Number.isFinite)) return void (runner.gone = points.length - 1);
    runner.notes.push({ p, g: optimizer.grad.slice(), before, numbers: optimizer.numbers });
    points.push(point);
    runner.losses.push(ground.at(point).loss);
    if (point.some((a, i) => Math.abs(a - this.middle[i]) >= this.far[i])) runner.gone = points.length - 1;
  }
}
// where a runner is at step t: its point, loss, last step; t may be later than its end
function where(runner, t) {
  const last = Math.min(t, runner.points.length - 1), [x, y] = runner.points[last];
  const [a, b] = runner.points[last - 1] ?? [x, y];
  return { last, x, y, loss: runner.losses[last], move: last ? Math.hypot(x - a, y - b) : NaN, ended: t >= runner.gone && runner.gone !== null };
}
// each statement of a rule at one step: the numbers before it and the number that it sets, for each coordinate
function told({ name, notes }, step) {
  const { telling, arguments: names, sets, state, hyper } = rules[name], { p, g, before, numbers } = notes[step], seen = [];
  telling(p.slice(), g, ...before.map((average) => average.slice()), ...numbers, seen);
  const scalars = Object.fromEntries(names.slice(2 + state.length).map((word, i) => [word, numbers[i]]));
  return [0, 1].map((i) => {
    let known = { ...hyper, ...scalars, p: p[i], g: g[i], ...Object.fromEntries(state.map((word, j) => [word, before[j][i]])) };
    return sets.map((word, line) => {
      const value = seen[i * sets.length + line], row = { word, known, value };
      known = { ...known, [word]: value };
      return row;
    });
  });
}
// --- the Python of it -----------------------------------------------------------------------------------------------
const python = (x) => (typeof x === "boolean" ? (x ? "True" : "False") : Number.isInteger(x) && Math.abs(x) < 1e15 ? `${x}.0` : String(x));
function loss_in_python({ surface, k }) {
  if (surface === "ravine") return `loss = lambda x, y: (x**2 + ${python(k)} * y**2) / 2`;
  if (surface !== "own") return `loss = tg.surfaces.SURFACES["${surface}"].f`;
  const text = JSON.stringify(facts.places.own.title);
  return `from tinygrad_edu.explain.formula import evaluate\n\nloss = lambda x, y: evaluate(${text}, {"x": x, "y": y})`;
}
function python_of(race) {
  const { plan, ground } = race, rows = race.rows(0) !== null;
  const runs = race.runners.map((runner) => {
    const hyper = Object.entries(runner.hyper).map(([name, value]) => `"${name}": ${python(value)}`).join(", ");
    return `    (tg.${rules[runner.name].name}, {${hyper}}, ${where(runner, race.t).last}),`;
  });
  const draw = ["", "", "def numbers(seed):  # as the page draws them: a linear congruential generator", "    while True:",
    "        seed = (seed * 1664525 + 1013904223) % 2**32", "        yield seed / 2**32", ""];
  const batch = `        rows = [int(next(drawn) * ${ground.size}) for _ in range(${plan.batch})]`;
  return [
    `# The optimizers of the tinygrad_edu lab on ${ground.about.title}: rule, hyper-parameters, steps`,
    "import tinygrad_edu as tg",
    loss_in_python(plan),
    "runs = [", ...runs, "]",
    ...(rows ? draw : []),
    "", "for rule, hyper, steps in runs:",
    `    p = tg.Tensor([${plan.start.map(python).join(", ")}], requires_grad=True)`,
    "    optimizer = rule(p, **hyper)",
    ...(rows ? ["    drawn = numbers(1)"] : []),
    "    for _ in range(steps):",
    "        optimizer.zero_grad()",
    ...(rows ? [batch, "        tg.surfaces.neuron(p[0], p[1], rows).backward()"] : ["        loss(p[0], p[1]).backward()"]),
    "        optimizer.step()",
    "    print(rule.__name__, *p.numpy().tolist())",
  ].join("\n") + "\n";
}
