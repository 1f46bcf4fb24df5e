// Contours: a surface on a grid of points, its levels, the lines along which it has them, and shades between them.

// the heights of a ground on n × n points of a box, row by row from the bottom
function heights(ground, [left, right, bottom, top], n) {
  const xs = Float64Array.from({ length: n * n }, (_, i) => left + ((right - left) * (i % n)) / (n - 1));
  const ys = Float64Array.from({ length: n * n }, (_, i) => bottom + ((top - bottom) * Math.floor(i / n)) / (n - 1));
  return ground.values(xs, ys);
}
// the lowest point of a box, [x, y, height]: the lowest of a grid's valleys, each looked at closer and closer
function lowest_point(ground, box) {
  const n = 41, z = heights(ground, box, n), [w, h] = cells(box, n);
  const around = (k) => [k - n - 1, k - n, k - n + 1, k - 1, k + 1, k + n - 1, k + n, k + n + 1];
  const valleys = [...z.keys()].filter((k) => Number.isFinite(z[k]) && around(k).every((i) => !(z[i] < z[k])));
  const best = valleys.sort((a, b) => z[a] - z[b]).slice(0, 8);
  const at = (k) => [box[0] + w * (k % n), box[2] + h * Math.floor(k / n), z[k]];
  const points = best.map((k) => closer(ground, at(k), box, [w, h]));
  return points.reduce((a, b) => (b[2] < a[2] ? b : a), points[0]);
}
const cells = ([left, right, bottom, top], n) => [(right - left) / (n - 1), (top - bottom) / (n - 1)];
function closer(ground, point, [left, right, bottom, top], [w, h]) {
  const n = 21;
  for (let turn = 0; turn < 10; turn++) {
    const [x, y] = point;
    const sides = [Math.max(x - 2 * w, left), Math.min(x + 2 * w, right)];
    const box = [...sides, Math.max(y - 2 * h, bottom), Math.min(y + 2 * h, top)];
    [w, h] = cells(box, n);
    heights(ground, box, n).forEach((z, k) => {
      if (z < point[2]) point = [box[0] + w * (k % n), box[2] + h * Math.floor(k / n), z];
    });
  }
  return point;
}
// round numbers for contours: 1, 2 and 5 in each decade; 1 and 3, or 1, if these are too many
function levels_of(above) {
  const higher = above.filter((z) => z > 0 && Number.isFinite(z)).sort();
  if (!higher.length) return [1];
  const low = higher[Math.floor(0.003 * higher.length)], high = higher.at(-1);
  let found = [];
  for (const series of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const digit of series) found.push(digit * Number(`1e${e}`));
    found = found.filter((z) => z >= low && z <= high);
    if (found.length <= 14) break;
  }
  return found.length ? found.slice(-14) : [high / 2];
}
// the edges of a cell that a level cuts, in pairs. An edge of the grid is 2 i, from i to the right, or 2 i + 1, upwards
function cuts(level, z, n, i) {
  const corners = [z[i], z[i + 1], z[i + n + 1], z[i + n]], inside = corners.map((c) => c >= level);
  if (!corners.every(Number.isFinite)) return [];
  const edges = [2 * i, 2 * (i + 1) + 1, 2 * (i + n), 2 * i + 1];
  const cut = edges.filter((_, k) => inside[k] !== inside[(k + 1) % 4]);
  if (cut.length < 4) return cut.length ? [cut] : [];
  const [south, east, north, west] = edges, whole = corners.reduce((a, b) => a + b) / 4 >= level;
  // a saddle: the height in the middle decides which corners hang together
  return whole === inside[0] ? [[south, east], [north, west]] : [[south, west], [north, east]];
}
// lines along which the heights (n × n) are at a level: lists of points, in steps of the grid
function lines_at(level, z, n) {
  const ends = new Map(), lines = []; // ends : an edge to the segments that end on it
  for (let i = 0; i < n * (n - 1); i++) {
    if (i % n === n - 1) continue;
    for (const edges of cuts(level, z, n, i)) {
      const segment = { edges, used: false };
      for (const edge of edges) ends.set(edge, [...(ends.get(edge) ?? []), segment]);
    }
  }
  const point = (edge) => {
    const i = edge >> 1, j = edge & 1 ? i + n : i + 1, share = (level - z[i]) / (z[j] - z[i]);
    return edge & 1 ? [i % n, Math.floor(i / n) + share] : [(i % n) + share, Math.floor(i / n)];
  };
  for (const segment of [...ends.values()].flat()) {
    if (segment.used) continue;
    segment.used = true;
    const [a, b] = segment.edges;
    lines.push([...followed(ends, a).reverse(), a, b, ...followed(ends, b)].map(point));
  }
  return lines;
}
// the edges that come behind one, from segment to segment
function followed(ends, edge) {
  const found = [];
  for (let next; (next = ends.get(edge).find((segment) => !segment.used)); found.push(edge)) {
    next.used = true;
    edge = next.edges[0] === edge ? next.edges[1] : next.edges[0];
  }
  return found;
}
