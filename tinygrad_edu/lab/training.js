// A network or a point, and the rule that moves it: what Optimizer and FlatBuffer are in the library.
class Optimizer {
  // rule : one of rules; params : arrays by name, which become views of one flat array; hyper : what differs; l1 and l2 too
  constructor(rule, params, { l1 = 0, l2 = 0, ...hyper } = {}) {
    const arrays = Object.entries(params).map(([name, array]) => [name, np.array(array)]);
    const n = arrays.reduce((sum, [, array]) => sum + np.size(array), 0);
    Object.assign(this, { rule, state: rule.state, l1, l2, t: 0, spans: {}, params: {} });
    this.hyper = { ...rule.hyper, ...hyper };
    [this.data, this.grad, this.regularised] = [0, 0, 0].map(() => new Float64Array(n));
    let first = 0;
    for (const [name, array] of arrays) {
      const last = first + np.size(array), view = this.data.subarray(first, last);
      view.set(array.data ?? [array]);
      this.spans[name] = [first, last];
      this.params[name] = new np.NDArray(np.shape(array), view);
      first = last;
    }
    Object.assign(this, { buffer: { data: this.data, grad: this.grad }, groups: [this.hyper] }); // as in the library
    if (rule.guess) this.hyper[rule.learned] ||= rule.guess.call(this);
    const all = [{ span: [0, n], rows: 1, columns: n }];
    this.pieces = rule.whole ? Object.keys(params).map((name) => this.matrix(name)) : all;
    this.begin();
  }
  // the averages, and of each piece the arrays that the kernel takes
  begin() {
    const { rule, data, pieces } = this, g = this.l2 ? this.regularised : this.grad;
    const begins = (word, i) => (word === "0" ? 0 : word === "p" ? data[i] : this.hyper[word]);
    for (const piece of pieces) piece.arrays = [data, g].map((array) => array.subarray(...piece.span));
    this.averages = {};
    rule.state.forEach((name, k) => {
      const sizes = pieces.map((piece) => this.room(name, piece)), average = new Float64Array(np.sum(np.array(sizes)));
      this.averages[name] = average.map((_, i) => begins(rule.start[k], i));
      let first = 0;
      pieces.forEach(({ arrays }, i) => arrays.push(this.averages[name].subarray(first, (first += sizes[i]))));
    });
  }
  // how many numbers an average has for a piece: as many as that, or a square of its rows or columns, of a vector none
  room(name, { span: [first, last], rows, columns }) {
    const axis = this.rule.squares?.[name];
    return axis === undefined ? last - first : rows > 1 ? [rows, columns][axis] ** 2 : 0;
  }
  // a parameter as a matrix: a vector is one row; of more than two axes all but the last are one
  matrix(name) {
    const { shape, data } = this.params[name], columns = shape.length > 1 ? shape.at(-1) : data.length;
    return { span: this.spans[name], rows: data.length / Math.max(columns, 1), columns };
  }
  // the numbers of a step for a piece, at a rate
  scalars(t, lr = this.hyper.lr, { rows, columns } = this.pieces[0]) {
    return this.rule.scalars.call(Object.assign(this, { rows, columns }), t, ...Object.values({ ...this.hyper, lr }));
  }
  // gradients : arrays by the names of the parameters
  step(gradients) {
    const { rule, data, hyper, pieces } = this;
    this.t++;
    for (const [name, [first, last]] of Object.entries(this.spans)) {
      const g = gradients[name];
      this.grad.subarray(first, last).set(g.data ?? [g].flat());
    }
    if (this.l1) add_l1(this.grad, data, this.l1);
    if (this.l2) add_l2(this.regularised, this.grad, data, this.l2);
    if (rule.measure) this.squares = rule.measure.call(this, pieces.map(({ arrays }) => arrays[1]));
    for (const piece of pieces) {
      this.numbers = piece.numbers = this.scalars(this.t, hyper.lr, piece);
      rule.kernel(...piece.arrays, ...piece.numbers);
    }
    if (rule.learn) hyper[rule.learned] = larger_of(hyper[rule.learned], rule.learn.call(this));
  }
}
const larger_of = (a, b) => (b > a ? b : a); // and NaN is not learned
// the names of what the kernel of a rule takes, as Python has them: a $ ends one that JavaScript keeps for itself
const arguments_of = ({ kernel }) => String(kernel).match(/\((.*?)\)/)[1].replaceAll("$", "").split(", ");
// Each statement of a rule at one step: the numbers before it and the number that it sets, for each place in the arrays that
// the kernel was given, as they were before. rows : of these as a matrix
function told_of(rule, { arrays, numbers, rows = 1 }, places) {
  const by = of_rows(rule, rows), names = arguments_of(rule), seen = by.sets.map(() => []);
  rule.telling(...arrays.map((array) => array.slice()), ...numbers, seen);
  const named = (values) => Object.fromEntries(values.map((value, i) => [names[i], value]));
  return places.map((place) => {
    const at = (x, name) => (typeof x === "number" ? x : name in (rule.squares ?? {}) ? undefined : (x.data ?? x)[place]);
    let known = { ...rule.hyper, ...named([...arrays.map((array, i) => at(array, names[i])), ...numbers]) };
    return by.sets.map((word, line) => {
      const value = at(seen[line], word), row = { word, known, value };
      known = { ...known, [word]: value };
      return row;
    });
  });
}
// a rule of matrices leaves vectors to another
const of_rows = (rule, rows) => (rows === 1 && rule.vectors ? rules[rule.vectors] : rule);
// MathML out of what mathml.py has shortened
function spelled(text) {
  const parts = /(<[^>]*>)|(&\w+;)|(\xa0\w+\xa0)|([\p{L}_]+)|(\d[\d.]*)|(\S)/gu, grow = { "[": "(", "]": ")" };
  const tagged = (all, tag, escaped, spaced, word, number, sign) =>
    tag ?? (spaced ? `<mtext>${spaced}</mtext>`
    : word ? `<mi>${word}</mi>` : number ? `<mn>${number}</mn>`
    : "()".includes(sign ?? "-") ? `<mo stretchy="false">${sign}</mo>` : `<mo>${grow[sign] ?? sign ?? escaped}</mo>`);
  return `<math display="block">${text.replace(parts, tagged)}</math>`;
}
