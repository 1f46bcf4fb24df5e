// The race of the optimizers tab, without its pictures: a ground to move on, and the rules that move there.
const FAR = 10; // times the size of the picture: a path that gets so far away ends, as in tg.race

// A surface: its height and its slopes at a point, on all of its data or on the chosen rows; k : the ravine's condition
class Ground {
  constructor(name, k) {
    const { backprop, gradients, data } = surfaces[name], given = name === "ravine" ? { k } : data;
    const all = Object.values(given).map(np.array), [n = 0] = all.length ? np.shape(all[0]) : [];
    Object.assign(this, { name, backprop, gradients, all, about: facts.places[name], size: n }); // size : of its data
  }
  at([x, y], rows = null) {
    const data = rows ? this.all.map((column) => np.getitem(column, np.array(rows))) : this.all;
    const [loss, slopes] = this.backprop(x, y, ...data);
    return { loss, slopes: this.gradients.map((name) => slopes[name]) };
  }
  // the heights at many points
  values(xs, ys) {
    if (this.size) return xs.map((x, i) => this.backprop(x, ys[i], ...this.all)[0]);
    const array = (numbers) => new np.NDArray([numbers.length], numbers);
    return np.broadcast_to(this.backprop(array(xs), array(ys), ...this.all)[0], [xs.length]).data;
  }
}
// the rate of a rule: the same for all, or the one that is known for this surface
function rate_of({ surface, k, lr, tuned }, rule) {
  if (!tuned) return lr;
  if (surface !== "ravine") return surface in facts.rates ? rate_on(surface, rule) : lr;
  const [, best, , , , with_momentum] = ravine_facts(k, 0);
  return { sgd: best, heavy_ball: with_momentum }[rule] ?? lr;
}
function hyper_of(plan, rule) {
  const known = plan.tuned && plan.surface === "ravine" && rule === "heavy_ball";
  return { ...(known && { momentum: ravine_facts(plan.k, 0)[4] }), ...plan.hyper[rule], lr: rate_of(plan, rule) };
}
// Rules from one start, step by step. plan : { surface, k, rules, start, lr, tuned, hyper, batch }
class Race {
  constructor(plan, steps = 0) {
    Object.assign(this, { plan, t: 0, batches: [], random: generator(1), ground: new Ground(plan.surface, plan.k) });
    const [left, right, bottom, top] = this.ground.about.box;
    this.middle = [(left + right) / 2, (bottom + top) / 2];
    this.far = [FAR * (right - left), FAR * (top - bottom)];
    this.runners = plan.rules.map((name) => this.runner(name));
    while (this.t < steps) this.step();
  }
  runner(name) {
    const hyper = hyper_of(this.plan, name), start = [...this.plan.start];
    const optimizer = new Optimizer(rules[name], { p: start }, hyper);
    return { name, hyper, optimizer, points: [start], losses: [this.ground.at(start).loss], notes: [], gone: null };
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
    const before = Object.values(optimizer.averages).map((average) => average.slice()), p = optimizer.data.slice();
    optimizer.step({ p: slopes });
    const point = [...optimizer.data], lost = point.some((a, i) => Math.abs(a - this.middle[i]) >= this.far[i]);
    if (!point.every(Number.isFinite)) return void (runner.gone = points.length - 1);
    const g = optimizer.grad.slice();
    runner.notes.push({ p, g, arrays: [p, g, ...before], numbers: optimizer.numbers });
    points.push(point);
    runner.losses.push(ground.at(point).loss);
    if (lost) runner.gone = points.length - 1;
  }
}
// where a runner is at step t: its point, loss, last step; t may be later than its end
function where({ points, losses, gone }, t) {
  const last = Math.min(t, points.length - 1), [x, y] = points[last], [a, b] = points[last - 1] ?? [x, y];
  const move = last ? Math.hypot(x - a, y - b) : NaN;
  return { last, x, y, loss: losses[last], move, ended: gone !== null && t >= gone };
}
// the statements of a rule at one step, for each coordinate
const told = ({ name, notes }, step) => told_of(rules[name], notes[step], [0, 1]);
