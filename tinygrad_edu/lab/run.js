// A training run: data, network, rule and seeds as settings say, step by step. It knows nothing of the page.
const SETTINGS = {
  data: "moons", n: 300, noise: 0.1, test: 0.2, seed: 0, inputs: ["x1", "x2"], layers: [4, 3], activation: "tanh",
  weights: "", dropout: 0, loss: "cross_entropy", rule: "adam", hyper: { lr: 0.01 }, l1: 0, l2: 0, schedule: "",
  numbers: {}, batch: 16, start: 0,
};
Object.assign(SETTINGS, { seed: facts.seed, start: facts.seed, ...facts.own?.settings });
// the initial weights of tg.init, of (inputs, outputs) weights
const WEIGHTS = {
  he_normal: (i) => normal(Math.sqrt(2 / i)),
  he_uniform: (i) => uniform(Math.sqrt(2 / i)),
  glorot_normal: (i, o) => normal(Math.sqrt(2 / (i + o))),
  glorot_uniform: (i, o) => uniform(Math.sqrt(2 / (i + o))),
  zeros: () => () => 0,
};
const normal = (deviation) => (rng) => deviation * rng.normal();
function uniform(deviation) {
  const edge = deviation * Math.sqrt(3);
  return (rng) => rng.uniform(-edge, edge);
}

// RMSprop is another rule with momentum, and another one centered
function rule_of(name, centered, momentum) {
  if (name !== "rmsprop" || !(centered || momentum)) return rules[name];
  return variants[centered && momentum ? "both" : centered ? "centered" : "momentum"];
}

class Run {
  constructor(given = {}) {
    this.settings = { ...SETTINGS, ...given };
    const { data, layers, activation, loss, dropout, start, batch } = this.settings, made = samples(this.settings);
    this.data = made;
    this.classes = SETS[data].classes;
    this.program = Program.of(layers.length, activation, loss, dropout);
    this.plain = Program.of(layers.length, activation, loss, 0);
    this.train = [this.inputs(made.X), this.targets(made.y)];
    this.test = [this.inputs(made.X_test), this.targets(made.y_test)];
    this.sizes = [this.train[0].shape[1], ...layers, this.classes || 1];
    this.rng = new Rng(start); // of the first weights, then of the masks
    const params = this.first();
    const { centered, ...hyper } = this.settings.hyper, rule = rule_of(this.settings.rule, centered, hyper.momentum);
    this.hyper = { ...rule.hyper, ...hyper };
    this.settings.hyper = { lr: rule.hyper.lr, ...this.settings.hyper };
    this.optimizer = new Optimizer(rule, params, { ...this.hyper, lr: this.rate(1), l1: this.settings.l1, l2: this.settings.l2 });
    this.orders = new Rng(start);
    Object.assign(this, { order: [], batch: batch || made.X.length, at: null, values: null, losses: [], changes: [] });
  }
  inputs(X) {
    return np.array(X.map((point) => inputs_of(point, this.settings)));
  }
  targets(y) {
    if (!this.classes || this.settings.loss === "cross_entropy") return np.array(y);
    return np.array(y.map((label) => drawn(this.classes, (k) => Number(k === label))));
  }
  first() {
    const { activation, weights } = this.settings, last = this.sizes.length - 1, params = {};
    if (this.is_own()) return Object.fromEntries(this.program.params.map((name, i) => [name, facts.own.params[i]]));
    for (let k = 1; k <= last; k++) {
      const [i, o] = this.sizes.slice(k - 1), own = k < last ? facts.activations[activation] : "glorot_uniform";
      const draw = WEIGHTS[weights || own](i, o), [W, b] = this.program.params.slice(2 * k - 2);
      params[W] = drawn(i, () => drawn(o, () => draw(this.rng)));
      params[b] = Array(o).fill(0);
    }
    return params;
  }
  // the parameters of a frame of a run that was made elsewhere, see watch.py
  take({ params, t }) {
    const bytes = Uint8Array.from(atob(params), (sign) => sign.charCodeAt(0));
    this.optimizer.data.set(new Float64Array(bytes.buffer));
    this.optimizer.t = t;
  }
  // the network that the page was made for, as it was made
  is_own() {
    const same = (name) => String(this.settings[name]) === String(SETTINGS[name]);
    return facts.own && ["data", "layers", "activation", "inputs", "weights", "start"].every(same);
  }
  // the learning rate at step t
  rate(t) {
    const { schedule, numbers } = this.settings, { lr } = this.hyper;
    return schedule ? schedules[schedule](t, lr, ...Object.values(numbers)) : lr;
  }
  get batches() {
    return Math.ceil(this.data.X.length / this.batch);
  }
  get t() {
    return this.optimizer.t;
  }

  // --- one step: a batch, the lines of the program one by one, the rule ---------------------------------------------
  begin() {
    const { dropout } = this.settings, [X, y] = this.train;
    if (!this.order.length) this.order = this.orders.permutation(X.shape[0]);
    this.chosen = this.order.splice(0, this.batch);
    const rows = np.array(this.chosen), keep = (i) => (this.rng.random() >= dropout ? 1 : 0) / (1 - dropout);
    const masks = this.program.masks.map((name, k) => {
      const shape = [this.chosen.length, this.sizes[k + 1]];
      return [name, new np.NDArray(shape, Float64Array.from({ length: shape[0] * shape[1] }, keep))];
    });
    const copied = ([name, { shape, data }]) => [name, new np.NDArray(shape, data.slice())];
    const params = Object.entries(this.optimizer.params).map(copied);
    const given = { X: np.getitem(X, rows), y: np.getitem(y, rows) };
    Object.assign(this, { values: { ...given, ...Object.fromEntries([...masks, ...params]) }, at: 0 });
  }
  get midway() {
    return this.at !== null && this.at < this.program.lines.length;
  }
  // the next line of the program; behind the last, the rule moves the parameters
  line() {
    if (!this.midway) this.begin();
    this.program.lines[this.at++].run(this.values);
    if (!this.midway) this.finish();
  }
  step() {
    do this.line();
    while (this.midway);
  }
  finish() {
    const { optimizer, values } = this, gradients = this.program.gradients.map((name) => [name, values[`d_${name}`]]);
    this.losses.push(values.loss);
    this.broken = gradients.some(([, g]) => !(g.data ?? [g]).every(Number.isFinite));
    if (this.broken) return;
    this.before = optimizer.data.slice();
    const kept = ({ arrays: [p, g, ...averages] }) => [p.slice(), g, ...averages.map((average) => average.slice())];
    this.kept = optimizer.pieces.map(kept); // what the kernel is given, for those who ask what it made of it
    optimizer.hyper.lr = this.rate(optimizer.t + 1);
    optimizer.step(Object.fromEntries(gradients));
  }
  // something changed by hand between two steps; python : the line that does the same in a script
  change(python, apply) {
    apply(this);
    this.changes.push([this.losses.length, python]);
  }

  // --- what the network says ----------------------------------------------------------------------------------------
  outputs(X) {
    return this.plain.values({ X, ...this.optimizer.params });
  }
  // the loss of data, without dropout, and how many are right
  measure([X, y], labels) {
    const values = this.plain.values({ X, y, ...this.optimizer.params }, ["forward", "loss"]), { outputs } = values;
    const scores = (i) => outputs.data.subarray(i * this.classes, (i + 1) * this.classes);
    const best = (i) => scores(i).reduce(larger_at, [-Infinity, 0])[1];
    const right = this.classes ? labels.filter((label, i) => best(i) === label).length : null;
    return { loss: values.loss, right, of: labels.length };
  }
  measures() {
    return { train: this.measure(this.train, this.data.y), test: this.measure(this.test, this.data.y_test) };
  }
}
const larger_at = ([most, at], a, i) => (a > most ? [a, i] : [most, at]);
