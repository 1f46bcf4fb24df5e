// A network or a point, and the rule that moves it: what Optimizer and FlatBuffer are in the library.
class Optimizer {
  // rule : one of rules; params : arrays by name, which become views of one flat array; hyper : what differs; l2 too
  constructor(rule, params, { l2 = 0, ...hyper } = {}) {
    const arrays = Object.entries(params).map(([name, array]) => [name, np.array(array)]);
    const n = arrays.reduce((sum, [, array]) => sum + np.size(array), 0);
    Object.assign(this, { rule, l2, t: 0, hyper: { ...rule.hyper, ...hyper } });
    this.data = new Float64Array(n);
    this.grad = new Float64Array(n);
    this.regularised = new Float64Array(n);
    this.spans = {};
    this.params = {};
    let first = 0;
    for (const [name, array] of arrays) {
      const last = first + np.size(array), view = this.data.subarray(first, last);
      view.set(array.data ?? [array]);
      this.spans[name] = [first, last];
      this.params[name] = new np.NDArray(np.shape(array), view);
      first = last;
    }
    const begins = { 0: () => 0, lr: () => this.hyper.lr, initial: () => this.hyper.initial, p: (i) => this.data[i] };
    this.averages = rule.start.map((word) => new Float64Array(n).map((_, i) => begins[word](i)));
  }
  // gradients : arrays by the names of the parameters
  step(gradients) {
    const { rule, hyper, data, averages } = this;
    for (const [name, [first, last]] of Object.entries(this.spans)) {
      const g = gradients[name];
      this.grad.subarray(first, last).set(g.data ?? [g]);
    }
    this.numbers = rule.scalars(++this.t, ...Object.values(hyper));
    if (this.l2) add_l2(this.regularised, this.grad, data, this.l2);
    rule.kernel(data, this.l2 ? this.regularised : this.grad, ...averages, ...this.numbers);
  }
}
