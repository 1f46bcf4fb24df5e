// A small NumPy for the programs that javascript_arrays.py writes. An array is {shape, data, isBool}: its numbers are
// float64 in C order, true is 1. One without axes is a plain number, a Float64Array has one axis. Only set changes it.
const np = (() => {
  class NDArray {
    constructor(shape, data, isBool = false) {
      Object.assign(this, { shape, data, isBool });
    }
  }
  const count = (shape) => shape.reduce((a, b) => a * b, 1);
  const same = (a, b) => a.length === b.length && a.every((n, i) => n === b[i]);
  const isNumber = (x) => typeof x === "number" || typeof x === "boolean";
  function wrap(x) {
    if (isNumber(x)) return new NDArray([], Float64Array.of(+x), typeof x === "boolean");
    return x instanceof Float64Array ? new NDArray([x.length], x) : x;
  }
  const made = (shape, data, isBool = false) =>
    shape.length ? new NDArray(shape, data, isBool) : isBool ? data[0] !== 0 : data[0];
  const axes_of = (x, axis) =>
    axis === null ? x.shape.map((_, i) => i) : [axis].flat().map((i) => i + x.shape.length * (i < 0));
  function refuse(words) {
    throw new RangeError(words);
  }

  // --- arrays out of lists and back -----------------------------------------------------------------------------------
  function array(x) {
    if (isNumber(x) || x instanceof NDArray) return x;
    const shape = [], flat = x.flat(Infinity);
    for (let part = x; Array.isArray(part); part = part[0]) shape.push(part.length);
    return made(shape, Float64Array.from(flat), typeof flat[0] === "boolean");
  }
  function tolist(x) {
    if (isNumber(x)) return x;
    let list = Array.from(x.data, (a) => (x.isBool ? a !== 0 : a));
    for (const n of x.shape.slice(1).reverse())
      list = Array.from({ length: list.length / n }, (_, i) => list.slice(i * n, i * n + n));
    return list;
  }
  const shape = (x) => wrap(x).shape;
  const size = (x) => wrap(x).data.length;
  const full_like = (x, value) => broadcast_to(+value, shape(x));
  const arange = (n) => made([n], Float64Array.from({ length: n }, (_, i) => i));
  const set = (x, value) => wrap(x).data.set(expanded(wrap(value), shape(x)));
  const astype = (x) => (isNumber(x) ? +x : made(x.shape, x.data));

  // --- views: one loop for a broadcast, a transpose, a slice ----------------------------------------------------------
  function strides(shape) {
    const steps = [];
    for (let i = shape.length - 1, step = 1; i >= 0; step *= shape[i--]) steps[i] = step;
    return steps;
  }
  // the numbers data[start + Σ index · step], for every index into an array of this shape
  function gather(data, shape, steps, start = 0) {
    const out = new Float64Array(count(shape)), at = shape.map(() => 0);
    for (let i = 0, j = start; i < out.length; i++) {
      out[i] = data[j];
      for (let k = shape.length - 1; k >= 0; k--) {
        j += steps[k];
        if (++at[k] < shape[k]) break;
        j -= steps[k] * shape[k];
        at[k] = 0;
      }
    }
    return out;
  }
  function broadcast_shapes(...shapes) {
    const axes = Math.max(...shapes.map((s) => s.length));
    return Array.from({ length: axes }, (_, i) => {
      const lengths = shapes.map((s) => s[s.length - axes + i] ?? 1), n = lengths.find((m) => m !== 1) ?? 1;
      return lengths.every((m) => m === 1 || m === n) ? n : refuse(`shapes (${shapes.join("), (")}) do not fit`);
    });
  }
  function expanded(x, shape) {
    if (same(x.shape, shape)) return x.data;
    const added = shape.length - x.shape.length, steps = strides(x.shape), n = x.data.length;
    if (added < 0 || x.shape.some((n, i) => n !== 1 && n !== shape[i + added]))
      refuse(`shape (${x.shape}) does not broadcast to (${shape})`);
    if (n === x.shape.at(-1)) return repeated(x.data, count(shape));
    return gather(x.data, shape, shape.map((_, i) => (x.shape[i - added] > 1 ? steps[i - added] : 0)));
  }
  // one row again and again: a bias, for all samples
  function repeated(row, length) {
    const out = new Float64Array(length), n = row.length;
    for (let i = 0; i < length; i += n) for (let j = 0; j < n; j++) out[i + j] = row[j];
    return out;
  }
  const broadcast_to = (x, shape) => made(shape, expanded(wrap(x), shape), wrap(x).isBool);
  function transpose(x, ...order) {
    x = wrap(x);
    const axes = order.flat().length ? axes_of(x, order.flat()) : axes_of(x, null).reverse(), steps = strides(x.shape);
    const pick = (list) => axes.map((i) => list[i]);
    return made(pick(x.shape), gather(x.data, pick(x.shape), pick(steps)), x.isBool);
  }
  function mT(x) {
    const axes = axes_of(x, null);
    return transpose(x, [...axes.slice(0, -2), ...axes.slice(-2).reverse()]);
  }
  function reshape(x, ...given) {
    x = wrap(x);
    const lengths = given.flat(), shape = lengths.map((n) => (n < 0 ? x.data.length / -count(lengths) : n));
    return count(shape) === x.data.length ? made(shape, x.data, x.isBool) : refuse(`(${x.shape}) is not (${shape})`);
  }
  function expand_dims(x, axis) {
    const shape = [...wrap(x).shape], axes = [axis].flat();
    const places = axes.map((i) => i + (shape.length + axes.length) * (i < 0)).sort((a, b) => a - b);
    for (const i of places) shape.splice(i, 0, 1);
    return reshape(x, shape);
  }
  function squeeze(x, axis) {
    if (isNumber(x)) return x;
    const axes = axes_of(x, axis);
    return reshape(x, x.shape.filter((n, i) => !axes.includes(i)));
  }
  function flip(x, axis = null) {
    const axes = axes_of(wrap(x), axis);
    return getitem(x, wrap(x).shape.map((_, i) => slice(null, null, axes.includes(i) ? -1 : 1)));
  }

  // --- x[index]: numbers, slices, null for a new axis, "..."; or one array, of truths or of the numbers of rows --------
  const slice = (start = null, stop = null, step = 1) => ({ start, stop, step });
  function getitem(x, index) {
    [x, index] = [wrap(x), typeof index === "boolean" ? wrap(index) : index];
    if (index instanceof NDArray) return index.isBool ? masked(x, index) : rows(x, index);
    const items = [index].flat(), used = items.filter((i) => i !== null && i !== "...").length;
    const rest = Array.from({ length: x.shape.length - used }, () => slice());
    if (!items.includes("...")) items.push("...");
    items.splice(items.indexOf("..."), 1, ...rest);
    const steps = strides(x.shape), shape = [], taken = [];
    let axis = 0, start = 0;
    for (const item of items) {
      if (item === null) [shape[shape.length], taken[taken.length]] = [1, 0];
      else if (isNumber(item)) start += steps[axis] * place(item, x.shape[axis++]);
      else if (item instanceof NDArray) refuse("an array in an index stands alone");
      else {
        const [first, length] = span(item, x.shape[axis]);
        start += steps[axis] * first;
        shape.push(length);
        taken.push(steps[axis++] * item.step);
      }
    }
    return made(shape, gather(x.data, shape, taken, start), x.isBool);
  }
  // zeros in the shape of x, with g added at index, as often as it names a place
  function scatter_add(g, x, index) {
    const out = new Float64Array(size(x)), places = wrap(getitem(reshape(arange(size(x)), shape(x)), index));
    const added = expanded(wrap(g), places.shape);
    places.data.forEach((i, k) => (out[i] += added[k]));
    return made(shape(x), out);
  }
  function place(i, n) {
    return i >= -n && i < n ? i + n * (i < 0) : refuse(`index ${i} in an axis of length ${n}`);
  }
  function span({ start, stop, step }, n) {
    const within = (i, low, high) => Math.min(Math.max(i < 0 ? i + n : i, low), high);
    const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
    const first = start === null ? (step > 0 ? 0 : n - 1) : within(start, low, high);
    const last = stop === null ? (step > 0 ? n : -1) : within(stop, low, high);
    return [first, Math.max(0, Math.ceil((last - first) / step))];
  }
  function masked(x, mask) {
    const left = x.shape.slice(mask.shape.length), each = count(left), found = [];
    if (!same(x.shape.slice(0, mask.shape.length), mask.shape)) refuse(`(${mask.shape}) is no mask for (${x.shape})`);
    mask.data.forEach((yes, i) => yes && found.push(...x.data.subarray(i * each, i * each + each)));
    return made([found.length / each || 0, ...left], Float64Array.from(found), x.isBool);
  }
  function rows(x, index) {
    const left = x.shape.slice(1), each = count(left), out = new Float64Array(index.data.length * each);
    index.data.forEach((row, i) => {
      const from = place(row, x.shape[0]) * each;
      out.set(x.data.subarray(from, from + each), i * each);
    });
    return made([...index.shape, ...left], out, x.isBool);
  }

  // --- elementwise ----------------------------------------------------------------------------------------------------
  const map = (f, x) => (isNumber(x) ? f(+x) : made(shape(x), wrap(x).data.map((a) => f(a))));
  function zip(f, x, y, isBool = false) {
    const [one, other] = [isNumber(x), isNumber(y)];
    if (!one) x = wrap(x);
    if (!other) y = wrap(y);
    if (other && !one) return made(x.shape, x.data.map((a) => f(a, +y)), isBool);
    if (one && !other) return made(y.shape, y.data.map((b) => f(+x, b)), isBool);
    [x, y] = [wrap(x), wrap(y)];
    const shape = broadcast_shapes(x.shape, y.shape), out = new Float64Array(count(shape));
    const a = expanded(x, shape), b = expanded(y, shape);
    for (let i = 0; i < out.length; i++) out[i] = f(a[i], b[i]);
    return made(shape, out, isBool);
  }
  const unary = (f) => (x) => map(f, x);
  const binary = (f) => (x, y) => (isNumber(x) && isNumber(y) ? f(+x, +y) : zip(f, x, y));
  const test = (f) => (x, y) => zip(f, x, y, true);
  const truths = (f) => (x, y) => zip(f, x, y, wrap(x).isBool && wrap(y).isBool);
  function power(a, b) {
    if (a === 1 || b === 0 || (a === -1 && Math.abs(b) === Infinity)) return 1; // as C has it, but not JavaScript
    return b === 1 ? a : b === 2 ? a * a : b === 0.5 && a >= 0 ? Math.sqrt(a) : a ** b;
  }
  function where(condition, x, y) {
    const parts = [condition, x, y].map(wrap), shape = broadcast_shapes(...parts.map((part) => part.shape));
    const [c, a, b] = parts.map((part) => expanded(part, shape));
    return made(shape, c.map((yes, i) => (yes ? a[i] : b[i])), parts[1].isBool && parts[2].isBool);
  }
  const larger = (a, b) => (a >= b || a !== a ? a : b);
  const smaller = (a, b) => (a <= b || a !== a ? a : b);
  const sign = (a) => (a > 0 ? 1 : a < 0 ? -1 : a === 0 ? 0 : a);
  function divided(a, b) {
    if (b === 0) return a / b;
    const rest = a % b, whole = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0), low = Math.floor(whole);
    return whole - low > 0.5 ? low + 1 : low;
  }
  function remainder(a, b) {
    const rest = a % b;
    return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
  }
  function rint(a) {
    const low = Math.floor(a), rest = a - low;
    return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
  }
  function logaddexp(a, b) {
    if (a === b) return a + Math.LN2;
    return a > b ? a + Math.log1p(Math.exp(b - a)) : a < b ? b + Math.log1p(Math.exp(a - b)) : NaN;
  }
  // up to 1.5 a power series; beyond it a continued fraction, of what erf lacks to 1
  function erf(a) {
    let sum = 1;
    if (Math.abs(a) >= 1.5) return sign(a) * (1 - erfc(Math.abs(a)));
    for (let k = 40; k > 0; k--) sum = 1 + ((2 * a * a) / (2 * k + 1)) * sum;
    return ((2 * a) / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
  }
  function erfc(a) {
    let below = a;
    if (!(a >= 1.5)) return a <= -1.5 ? 2 - erfc(-a) : 1 - erf(a);
    for (let k = 120; k > 0; k--) below = a + k / 2 / below;
    return Math.exp(-a * a) / Math.sqrt(Math.PI) / below;
  }

  // --- reductions -----------------------------------------------------------------------------------------------------
  // each result is f of a run of numbers; beside holds the others, so that the axes to reduce come last
  function reduce(x, { axis = null, keepdims = false }, f, isBool = false) {
    x = wrap(x);
    const axes = axes_of(x, axis), beside = axes_of(x, null).filter((i) => !axes.includes(i));
    const turned = wrap(transpose(x, [...beside, ...[...axes].sort((a, b) => a - b)])).data;
    const left = beside.map((i) => x.shape[i]);
    const n = count(axes.map((i) => x.shape[i])), inner = axes.includes(x.shape.length - 1);
    const out = new Float64Array(count(left)).map((_, i) => f(turned.subarray(i * n, i * n + n), inner));
    return made(keepdims ? x.shape.map((m, i) => (axes.includes(i) ? 1 : m)) : left, out, isBool);
  }
  // as NumPy adds: along the last axis in eight sums side by side, in halves above 128 numbers; along others in order
  function total(d, inner) {
    const n = d.length;
    let sum = 0;
    if (!inner || n < 8) {
      for (const a of d) sum += a;
      return sum;
    }
    if (n > 128) {
      const half = (n >> 1) - ((n >> 1) % 8);
      return total(d.subarray(0, half), true) + total(d.subarray(half), true);
    }
    const r = d.slice(0, 8), whole = n - (n % 8);
    for (let i = 8; i < whole; i++) r[i % 8] += d[i];
    sum = r[0] + r[1] + (r[2] + r[3]) + (r[4] + r[5] + (r[6] + r[7]));
    for (let i = whole; i < n; i++) sum += d[i];
    return sum;
  }
  const sum = (x, how = {}) => reduce(x, how, total);
  const mean = (x, how = {}) => reduce(x, how, (d, inner) => total(d, inner) / d.length);
  const max = (x, how = {}) => reduce(x, how, (d) => d.reduce(larger));
  const min = (x, how = {}) => reduce(x, how, (d) => d.reduce(smaller));
  const prod = (x, how = {}) => reduce(x, how, (d) => d.reduce((a, b) => a * b, 1));
  const any = (x, how = {}) => reduce(x, how, (d) => d.some((a) => a !== 0), true);
  const all = (x, how = {}) => reduce(x, how, (d) => d.every((a) => a !== 0), true);
  const std = (x, how = {}) => map(Math.sqrt, variance(x, how));
  function variance(x, { axis = null, keepdims = false, ddof = 0 } = {}) {
    const d = operators.subtract(x, mean(x, { axis, keepdims: true }));
    const n = size(x) / (size(mean(x, { axis })) || 1) - ddof;
    return operators.divide(sum(operators.multiply(d, d), { axis, keepdims }), n);
  }
  const running = (f) => (x, axis = null) => {
    if (axis === null) [x, axis] = [reshape(x, -1), 0];
    [axis] = axes_of(x, axis);
    const out = x.data.slice(), step = strides(x.shape)[axis], n = x.shape[axis];
    for (let i = step; i < out.length; i++) if (Math.floor(i / step) % n) out[i] = f(out[i - step], out[i]);
    return made(x.shape, out);
  };

  // --- products -------------------------------------------------------------------------------------------------------
  function matmul(x, y) {
    if (x.shape.length === 1) return squeeze(matmul(expand_dims(x, 0), y), y.shape.length === 1 ? -1 : -2);
    if (y.shape.length === 1) return squeeze(matmul(x, expand_dims(y, 1)), -1);
    const [n, k] = x.shape.slice(-2), [rows, m] = y.shape.slice(-2);
    if (k !== rows) refuse(`shapes (${x.shape}) and (${y.shape}) do not fit`);
    const stack = broadcast_shapes(x.shape.slice(0, -2), y.shape.slice(0, -2));
    const out = new Float64Array(count(stack) * n * m);
    const a = expanded(x, [...stack, n, k]), b = expanded(y, [...stack, k, m]);
    for (let s = 0, row = 0; s < count(stack); s++)
      for (let i = 0; i < n; i++, row++)
        for (let l = 0; l < k; l++)
          for (let j = 0, left = a[row * k + l]; j < m; j++) out[row * m + j] += left * b[(s * k + l) * m + j];
    return made([...stack, n, m], out);
  }
  // the root of the sum of all squares
  const norm = (x) => Math.sqrt(sum(operators.multiply(x, x)));
  // the eigenvalues of a symmetric matrix, the smallest first, and their vectors as columns: after Jacobi, who turns two
  // axes at a time until nothing is left beside the diagonal
  function eigh({ shape, data }) {
    const n = shape[0], a = data.slice(), v = identity(n), least = 1e-16 * norm(a);
    for (let sweep = 0, turns = 1; turns && sweep < 30; sweep++) {
      turns = 0;
      for (let p = 0; p < n; p++)
        for (let q = p + 1; q < n; q++) {
          if (!(Math.abs(a[p * n + q]) > least)) continue;
          const half = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
          const t = (half < 0 ? -1 : 1) / (Math.abs(half) + Math.hypot(1, half)), c = 1 / Math.hypot(1, t);
          turn(a, n, p, q, 1, n, c, t * c);
          turn(a, n, p, q, n, 1, c, t * c);
          turn(v, n, p, q, n, 1, c, t * c);
          turns++;
        }
    }
    const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[i * n + i] - a[j * n + j]);
    const vectors = v.map((_, k) => v[k - (k % n) + order[k % n]]);
    return [made([n], Float64Array.from(order, (i) => a[i * n + i])), made([n, n], vectors)];
  }
  const identity = (n) => new Float64Array(n * n).map((_, k) => Number(k % (n + 1) === 0));
  // rows p and q of a matrix, or its columns, turned by an angle of cosine c and sine s
  function turn(a, n, p, q, along, across, c, s) {
    for (let k = 0; k < n; k++) {
      const i = p * across + k * along, j = q * across + k * along, x = a[i], y = a[j];
      [a[i], a[j]] = [c * x - s * y, s * x + c * y];
    }
  }
  // QR of a square matrix: each column is mirrored onto an axis, after Householder, with LAPACK's signs
  function qr({ shape, data }) {
    const n = shape[0], r = data.slice(), q = identity(n);
    for (let k = 0; k < n - 1; k++) {
      const v = new Float64Array(n), head = r[k * n + k];
      for (let i = k; i < n; i++) v[i] = r[i * n + k];
      if (v.subarray(k + 1).every((x) => x === 0)) continue;
      v[k] += (head < 0 ? -1 : 1) * norm(v);
      const half = sum(operators.multiply(v, v)) / 2;
      for (let j = 0; j < n; j++) {
        let down = 0, across = 0;
        for (let i = k; i < n; i++) (down += v[i] * r[i * n + j]), (across += v[i] * q[j * n + i]);
        for (let i = k; i < n; i++) (r[i * n + j] -= (v[i] * down) / half), (q[j * n + i] -= (v[i] * across) / half);
      }
    }
    return [made([n, n], q), made([n, n], r.map((x, k) => (k % n < Math.floor(k / n) ? 0 : x)))];
  }

  // a function whose results are kept
  function cached(f) {
    const known = new Map();
    return (...args) => known.get(args.join()) ?? known.set(args.join(), f(...args)).get(args.join());
  }

  const operators = {
    add: binary((a, b) => a + b),
    subtract: binary((a, b) => a - b),
    multiply: binary((a, b) => a * b),
    divide: binary((a, b) => a / b),
    floor_divide: binary(divided),
    mod: binary(remainder),
    power: binary(power),
    negative: unary((a) => -a),
    equal: test((a, b) => a === b),
    not_equal: test((a, b) => a !== b),
    less: test((a, b) => a < b),
    less_equal: test((a, b) => a <= b),
    greater: test((a, b) => a > b),
    greater_equal: test((a, b) => a >= b),
    bitwise_and: truths((a, b) => a & b),
    bitwise_or: truths((a, b) => a | b),
    invert: (x) => test((a) => !a)(x, false),
    matmul,
  };
  const names = "exp log sqrt abs tanh sin cos tan sinh cosh expm1 log1p cbrt log2 log10 floor ceil trunc".split(" ");
  const elementwise = Object.fromEntries(names.map((name) => [name, unary(Math[name])]));
  for (const name of "sin cos tan sinh cosh tanh".split(" ")) elementwise[`arc${name}`] = unary(Math[`a${name}`]);
  Object.assign(elementwise, { sign: unary(sign), rint: unary(rint), exp2: unary((a) => 2 ** a), where });
  elementwise.square = unary((a) => a * a);
  Object.assign(elementwise, { maximum: binary(larger), minimum: binary(smaller), logaddexp: binary(logaddexp) });
  Object.assign(elementwise, { arctan2: binary(Math.atan2), hypot: binary(Math.hypot), fmod: binary((a, b) => a % b) });
  elementwise.isinf = (x) => test((a) => Math.abs(a) === Infinity)(x, 0);
  elementwise.isfinite = (x) => test(Number.isFinite)(x, 0);
  return {
    NDArray, array, tolist, shape, size, set, astype, full_like, arange, broadcast_to, transpose, mT, reshape, squeeze,
    expand_dims, flip, slice, getitem, scatter_add, map, erf, erfc, sum, mean, max, min, prod, any, all, std, norm, eigh, qr,
    cached,
    ...operators, ...elementwise,
    var: variance,
    T: (x) => transpose(x),
    ravel: (x) => reshape(x, -1),
    len: (x) => shape(x)[0],
    ndim: (x) => wrap(x).shape.length,
    ones_like: (x) => full_like(x, 1),
    zeros_like: (x) => full_like(x, 0),
    clip: (x, low, high) => elementwise.minimum(elementwise.maximum(x, low), high),
    cumsum: running((a, b) => a + b),
    cumprod: running((a, b) => a * b),
  };
})();
