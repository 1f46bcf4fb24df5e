// Lines that grow: a frame costs their new points alone, however long they are and however dashed. Two canvases: one keeps the
// lines, the other has what moves on them.
// A line : { at, upto, ink, dash, wide, dots, marked, tip }; at(i) : the place of its point i, or null, which lifts the pen;
// marked : the points with a small mark; tip : [the shape at its end, its place, its size]
class Trails {
  constructor() {
    this.canvases = [0, 1].map(() => element("canvas", { className: "trails", ariaHidden: "true" }));
  }
  // all is drawn anew where key, a source of points or a size is another one, and where a line becomes shorter.
  // over(pen) : draws what else moves
  draw(key, size, lines, over) {
    const goes_on = ({ at, upto }, i) => this.drawn[i].at === at && upto >= this.drawn[i].n - 1;
    if (this.key !== key || !lines.every(goes_on)) this.clear(key, size, lines);
    const [kept, moving] = this.pens;
    lines.forEach((line, i) => extend(kept, line, this.drawn[i]));
    moving.clearRect(0, 0, size.width, size.height);
    over?.(moving);
    lines.forEach(({ tip }, i) => tip && draw_tip(moving, tip, this.drawn[i].colour, this.back));
  }
  clear(key, { width, height }, lines) {
    const dots = devicePixelRatio, thick = Number(colour("pen"));
    this.pens = this.canvases.map((canvas) => {
      Object.assign(canvas, { width: Math.ceil(width * dots), height: Math.ceil(height * dots) });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
      const pen = canvas.getContext("2d");
      pen.scale(dots, dots);
      return Object.assign(pen, { lineJoin: "round", lineWidth: thick });
    });
    Object.assign(this, { key, back: colour("card") });
    this.drawn = lines.map(({ at, ink, dash = "none", wide = 2 }) => {
      const dashes = dash === "none" ? [] : dash.split(" ").map(Number);
      return { at, n: 0, last: null, far: 0, colour: colour(ink), dashes, wide: wide * thick };
    });
  }
}
// the new points of a line; its dashes go on where the last ones ended
function extend(pen, { at, upto, dots, marked = [] }, kept) {
  const { n, wide, dashes } = kept;
  if (n > upto) return;
  Object.assign(pen, { strokeStyle: kept.colour, fillStyle: kept.colour, lineWidth: wide });
  Object.assign(pen, { lineDashOffset: kept.far, lineCap: dashes.length ? "butt" : "round" });
  pen.setLineDash(dashes);
  pen.beginPath();
  if (kept.last) pen.moveTo(...kept.last);
  for (; kept.n <= upto; kept.n++) dots ? disc(pen, at(kept.n), wide) : go_on(pen, at(kept.n), kept);
  dots ? pen.fill() : pen.stroke();
  pen.beginPath();
  for (const i of marked) if (i >= n && i <= upto) disc(pen, at(i), 1.2 * wide + 1);
  pen.fill();
}
function disc(pen, point, size) {
  if (!point) return;
  pen.moveTo(...point);
  pen.arc(...point, size, 0, 7);
}
// to the next point, if it is half a pixel away or more
function go_on(pen, point, kept) {
  if (point && kept.last) {
    const far = Math.hypot(point[0] - kept.last[0], point[1] - kept.last[1]);
    if (far < 0.5) return;
    kept.far += far;
    pen.lineTo(...point);
  } else if (point) pen.moveTo(...point);
  kept.last = point;
}
function draw_tip(pen, [shape, [u, v], size], colour, back) {
  pen.save();
  pen.translate(u, v);
  pen.scale(size, size);
  Object.assign(pen, { fillStyle: colour, strokeStyle: back });
  const path = (draw_tip[shape] ??= new Path2D(shape));
  pen.fill(path);
  pen.stroke(path);
  pen.restore();
}
// a line, its small marks and its tip as parts of a file
function as_parts({ at, upto, dash, marked, tip: [shape, [u, v], size] }, kind) {
  let d = "", last = null;
  for (let i = 0; i <= upto; i++) {
    const point = at(i);
    if (point) d += `${last ? "L" : "M"}${point.map((u) => u.toFixed(1)).join(" ")}`;
    last = point;
  }
  const small = marked.filter((i) => i <= upto).map((i) => `M${at(i).map((u) => u.toFixed(1)).join(" ")}h0`).join("");
  return [
    svg("path", { class: `${kind} path`, "stroke-dasharray": dash, d }),
    svg("path", { class: `${kind} small`, d: small }),
    svg("path", { class: `${kind} mark`, d: shape, transform: `translate(${u} ${v}) scale(${size})` }),
  ];
}
