// The data of the playground: the sets of tg.data, drawn with the same numbers, and split as tg.split does.
const spread = (n, parts) => Array.from({ length: parts }, (_, k) => Math.floor(n / parts) + (k < n % parts));
const repeated = (counts) => counts.flatMap((n, k) => Array(n).fill(k));
const drawn = (n, draw) => Array.from({ length: n }, (_, i) => draw(i));

// points with noise on them, in another order, and their labels
function mixed(X, counts, noise, rng) {
  const labels = repeated(counts), order = rng.permutation(X.length);
  const noisy = X.map((point) => point.map((a) => a + noise * rng.normal()));
  return [order.map((i) => noisy[i]), order.map((i) => labels[i])];
}
const sets = {
  moons(n, noise, rng) {
    const half = n >> 1, angle = () => rng.uniform(0, Math.PI), a = drawn(half, angle), b = drawn(n - half, angle);
    const X = [...a.map((t) => [Math.cos(t), Math.sin(t)]), ...b.map((t) => [1 - Math.cos(t), 0.5 - Math.sin(t)])];
    return mixed(X, [half, n - half], noise, rng);
  },
  circles(n, noise, rng) {
    const half = n >> 1, angles = drawn(n, () => rng.uniform(0, 2 * Math.PI));
    const X = angles.map((t, i) => [Math.cos(t), Math.sin(t)].map((a) => (i < half ? 1 : 0.5) * a));
    return mixed(X, [half, n - half], noise, rng);
  },
  spirals(n, noise, rng) {
    const counts = spread(n, 2), arms = repeated(counts), along = drawn(n, () => Math.sqrt(rng.uniform(0.01, 1)));
    const angles = along.map((t, i) => 2 * Math.PI * (1.5 * t + arms[i] / 2));
    return mixed(angles.map((a, i) => [along[i] * Math.cos(a), along[i] * Math.sin(a)]), counts, noise, rng);
  },
  xor(n, noise, rng) {
    const X = drawn(n, (i) => [(i % 4) >> 1, i % 2]), order = rng.permutation(n);
    const noisy = X.map((point) => point.map((a) => a + noise * rng.normal()));
    return [order.map((i) => noisy[i]), order.map((i) => X[i][0] ^ X[i][1])];
  },
  blobs(n, noise, rng) {
    const counts = spread(n, 3), angles = repeated(counts).map((k) => (2 * Math.PI * k) / 3);
    return mixed(angles.map((a) => [2 * Math.cos(a), 2 * Math.sin(a)]), counts, noise, rng);
  },
  plane(n, noise, rng) {
    const X = drawn(n, () => [rng.uniform(-1, 1), rng.uniform(-1, 1)]);
    return [X, X.map(([a, b]) => [(a + b) / 2 + noise * rng.normal()])];
  },
  hills(n, noise, rng) {
    const X = drawn(n, () => [rng.uniform(-1, 1), rng.uniform(-1, 1)]);
    return [X, X.map(([a, b]) => [Math.sin(3 * a) * Math.sin(3 * b) + noise * rng.normal()])];
  },
  regression(n, noise, rng) {
    const X = drawn(n, () => [rng.uniform(-1, 1)]);
    return [X, X.map(([a]) => [Math.sin(3 * a) + noise * rng.normal()])];
  },
};
const SETS = {
  moons: { title: "Moons", classes: 2, noise: 0.1 },
  circles: { title: "Circles", classes: 2, noise: 0.05 },
  spirals: { title: "Spirals", classes: 2, noise: 0.02 },
  xor: { title: "XOR", classes: 2, noise: 0.1 },
  blobs: { title: "Blobs", classes: 3, noise: 0.5 },
  plane: { title: "Plane", classes: 0, noise: 0.1 },
  hills: { title: "Hills", classes: 0, noise: 0.1 },
  regression: { title: "Wave", classes: 0, noise: 0.1 },
  digits: { title: "Digits", classes: 10, noise: 0 },
};
if (facts.own) SETS.own = { title: "Yours", classes: facts.own.classes, noise: 0 };
const INPUTS = {
  x1: { title: "x₁", of: (a) => a, python: "x1" },
  x2: { title: "x₂", of: (a, b) => b, python: "x2" },
  x1x1: { title: "x₁²", of: (a) => a * a, python: "x1 * x1" },
  x2x2: { title: "x₂²", of: (a, b) => b * b, python: "x2 * x2" },
  x1x2: { title: "x₁x₂", of: (a, b) => a * b, python: "x1 * x2" },
  sin1: { title: "sin 3x₁", of: (a) => Math.sin(3 * a), python: "np.sin(3 * x1)" },
  sin2: { title: "sin 3x₂", of: (a, b) => Math.sin(3 * b), python: "np.sin(3 * x2)" },
};

// tg.split: [train, test], numbers of rows. Of every class the same share goes to the test data
function parted(y, classes, share, rng) {
  let order = rng.permutation(y.length);
  const rank = [], cut = Math.ceil(share * y.length);
  for (let kind = 0; kind < classes; kind++) {
    const mine = order.filter((i) => y[i] === kind), start = rng.random();
    mine.forEach((i, k) => (rank[i] = (k + start) / mine.length));
  }
  if (classes) order = order.sort((a, b) => rank[a] - rank[b]); // rows of one rank stay in their order
  const test = rng.permuted(order.slice(0, cut));
  return [rng.permuted(order.slice(cut)), test];
}
// { X, y, X_test, y_test }: points as lists, before the inputs are made of them
function samples({ data, n, noise, test, seed }) {
  if (data === "own") return facts.own.data;
  if (data === "digits") return digits();
  const [X, y] = sets[data](n, noise, new Rng(seed)), parts = parted(y, SETS[data].classes, test, new Rng(seed));
  const [train, rest] = parts.map((rows) => ({ X: rows.map((i) => X[i]), y: rows.map((i) => y[i]) }));
  return { X: train.X, y: train.y, X_test: rest.X, y_test: rest.y };
}
// the first of tg.data.digits(): each pixel is one sign, from 0 to g, which is 16; h and above are two and more of 0
function digits() {
  const read = (short) => {
    const text = short.replace(/[h-z]/g, (sign) => "0".repeat(sign.charCodeAt() - 102));
    return drawn(text.length / 64, (i) => drawn(64, (k) => parseInt(text[64 * i + k], 17) / 16));
  };
  const [train, labels, test, labels_test] = facts.digits, numbers = (text) => [...text].map(Number);
  return { X: read(train), y: numbers(labels), X_test: read(test), y_test: numbers(labels_test) };
}
// what the network is given of a point: the inputs that are on; all pixels of a digit, and the x of a wave
function inputs_of(point, { inputs }) {
  if (point.length !== 2) return point;
  return inputs.map((name) => INPUTS[name].of(...point));
}
