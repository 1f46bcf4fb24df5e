// A network or a point, and the rule that moves it: what Optimizer and FlatBuffer are in the library.
class Optimizer {
  // rule : one of rules; params : arrays by name, which become views of one flat array; hyper : what differs; l1 and l2 too
  constructor(rule, params, { l1 = 0, l2 = 0, ...hyper } = {}) {
    const arrays = Object.entries(params).map(([name, array]) => [name, np.array(array)]);
    const n = arrays.reduce((sum, [, array]) => sum + np.size(array), 0);
    Object.assign(this, { rule, l1, l2, t: 0, hyper: { ...rule.hyper, ...hyper } });
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
    const begins = (word, i) => (word === "0" ? 0 : word === "p" ? this.data[i] : this.hyper[word]);
    this.averages = rule.start.map((word) => new Float64Array(n).map((_, i) => begins(word, i)));
    const g = l2 ? this.regularised : this.grad, arrays_in = (...span) =>
      [this.data, g, ...this.averages].map((array) => array.subarray(...span));
    const spans = Object.entries(this.spans).map(([name, span]) => ({ arrays: arrays_in(...span), ...this.matrix(name) }));
    this.pieces = rule.whole ? spans : [{ arrays: arrays_in(0, n), rows: 1, columns: n }];
  }
  // a parameter as a matrix: a vector is one row; of more than two axes all but the last are one
  matrix(name) {
    const { shape, data } = this.params[name], columns = shape.length > 1 ? shape.at(-1) : data.length;
    return { rows: data.length / Math.max(columns, 1), columns };
  }
  // the numbers of a step for a piece, at a rate
  scalars(t, lr = this.hyper.lr, piece = this.pieces[0]) {
    return this.rule.scalars.call(piece, t, ...Object.values({ ...this.hyper, lr }));
  }
  // gradients : arrays by the names of the parameters
  step(gradients) {
    const { rule, data } = this;
    this.t++;
    for (const [name, [first, last]] of Object.entries(this.spans)) {
      const g = gradients[name];
      this.grad.subarray(first, last).set(g.data ?? [g].flat());
    }
    if (this.l1) add_l1(this.grad, data, this.l1);
    if (this.l2) add_l2(this.regularised, this.grad, data, this.l2);
    for (const piece of this.pieces) {
      this.numbers = this.scalars(this.t, this.hyper.lr, piece);
      rule.kernel(...piece.arrays, ...this.numbers);
    }
  }
}
