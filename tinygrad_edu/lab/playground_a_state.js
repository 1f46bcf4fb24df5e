// What the files of the playground share: the run on the page, and what of it is looked at.
const pg = { run: null, playing: false, due: 0, good: false, history: [] };
Object.assign(pg, { probe: [NaN, NaN], chosen: { k: 1, j: 0 }, line: -1 }); // a point, a unit or weight, a line
const MARKS = ["●", "■", "▲"], CLASS_COLOURS = ["two", "one", "three"];
const INKS = ["one", "two", "three", "card", "page", "text", "quiet", "line", "faint"];
const ink = (name) => pg.inks[name]; // a colour of the page, which is asked for them once for each picture
const take_inks = () => (pg.inks = Object.fromEntries(INKS.map((name) => [name, colour(name)])));
const is_plane = () => pg.run.data.X[0].length === 2; // points in a plane, as against a wave and pictures
const is_picture = () => pg.run.settings.data === "digits";

// what of the output is shown: only the answer, without how sure it is; the test data; one unit instead
pg.view = { hard: false, tests: true, unit: null };

// what the points of a picture lie between: [left, right, bottom, top]
function box() {
  const points = [...pg.run.data.X, ...pg.run.data.X_test];
  const sides = [0, points[0].length - 1].map((k) => points.map((point) => point[k]));
  if (!is_plane()) sides[1] = [...pg.run.data.y, ...pg.run.data.y_test].flat();
  const ends = sides.map((list) => [Math.min(...list), Math.max(...list)]);
  const half = (1.12 * Math.max(...ends.map(([low, high]) => high - low))) / 2;
  return ends.flatMap(([low, high]) => [(low + high) / 2 - half, (low + high) / 2 + half]);
}
// the points in the middle of fine × fine squares, row by row from the top
function grid(fine) {
  const [left, right, bottom, top] = pg.box;
  return drawn(fine * fine, (k) => [
    left + ((right - left) * ((k % fine) + 0.5)) / fine,
    top - ((top - bottom) * (Math.floor(k / fine) + 0.5)) / fine,
  ]);
}
// all values of the network on the grid, by name
function survey(fine) {
  const key = `${fine} ${pg.box} ${pg.run.settings.inputs}`;
  if (pg.grid?.key !== key) {
    const points = is_plane() ? grid(fine) : grid(fine).slice(0, fine).map(([a]) => [a]);
    pg.grid = { key, X: pg.run.inputs(points) };
  }
  return pg.run.outputs(pg.grid.X);
}
// the probabilities that scores stand for
function softmax(scores) {
  const most = Math.max(...scores), parts = scores.map((a) => Math.exp(a - most)), sum = parts.reduce((a, b) => a + b);
  return parts.map((a) => a / sum);
}
// what the outputs say of each class: probabilities, or of a squared error the scores as they are
const odds_of = (scores) => (pg.run.settings.loss === "cross_entropy" ? softmax(scores) : scores);
const row = (array, i) => [...array.data.subarray(i * array.shape[1], (i + 1) * array.shape[1])];
// all values of the network for the point that is looked at
function probed() {
  const point = is_picture() ? pg.pixels : is_plane() ? pg.probe : [pg.probe[0]];
  return pg.run.outputs(pg.run.inputs([point]));
}
// a number in four digits; in brackets where a minus would stand beside an operator
const short = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(4))).replace("-", "−") : "–");
const factor = (x) => (x < 0 ? `(${short(x)})` : short(x));
const unit_name = (k, j) => (k === 0 ? input_name(j) : k === pg.run.sizes.length - 1 ? `outputs[${j}]` : `${hidden(k)}[${j}]`);
// what the program calls the values of a hidden layer: the sums themselves where there is no activation
const hidden = (k) => `${pg.run.settings.activation === "linear" ? "z" : "h"}${k}`;
const input_name = (i) => {
  if (is_picture()) return `pixel ${i}`;
  return INPUTS[pg.run.data.X[0].length === 2 ? pg.run.settings.inputs[i] : "x1"].title;
};
// the names of layer k's weights and biases, from 1
const params_of = (k) => pg.run.program.params.slice(2 * k - 2, 2 * k);
