// What can be taken away: a script that prints the same gradients, and an animation.

// a script of Python, with the numbers that are on the page
function python_of({ code, source, inputs, nodes }, values) {
  const written = (x, whole) => {
    if (Array.isArray(x)) return `[${x.map((part) => written(part, whole)).join(", ")}]`;
    return Number.isInteger(x) && !whole ? x.toFixed(1) : String(x);
  };
  const kept = nodes.filter((node) => node.kind === "leaf").map((node) => node.name);
  const lists = Object.entries(inputs).map(([name, { whole }]) => [name, written(values[name], whole)]);
  const lines = code ? by_tensors(code, lists, kept) : by_program(source, lists);
  return [...lines, ""].join("\n");
}
function by_tensors(code, lists, kept) {
  const leaf = (name) => (kept.includes(name) ? ", requires_grad=True" : "");
  const tensors = lists.map(([name, text]) => `${name} = tg.Tensor(${text}${leaf(name)})`);
  const pairs = kept.map((name) => `"${name}": ${name}`).join(", ");
  const run = [code, "loss.backward()", 'print("loss =", loss.item())'];
  const shown = [`for name, t in {${pairs}}.items():`, '    print(f"d_{name} =", t.grad.tolist())'];
  return ["import tinygrad_edu as tg", "", ...tensors, ...run, ...shown];
}
function by_program(source, lists) {
  const given = lists.map(([name, text]) => `    ${name}=np.array(${text}),`);
  const shown = ["for name, d in gradients.items():", '    print(f"d_{name} =", d.tolist())'];
  return [source, "loss, gradients = backprop(", ...given, ")", 'print("loss =", float(loss))', ...shown];
}

const LOOK = `text{font:13px ui-monospace,monospace;fill:#1c2326}.title{font-weight:600}
.node rect{fill:#fff;stroke:#55616a}.node.leaf rect{stroke-width:2.6}.node.data rect{stroke-dasharray:5 4}.edge .line{fill:none;stroke:#55616a}
.edge .reach{display:none}.head{fill:#55616a}.edge text{font-size:12px}.edge rect{fill:#fff}.number{font-weight:600}
.gradient{fill:#0072b2}.sent{fill:none;stroke:#0072b2;stroke-width:2.6}.dot{fill:#b35c00}`;
const SECONDS = 1.4; // for a share

// an SVG that plays by itself, in any browser: each share goes back along its edge, and the sums grow.
// labels : for each edge; frames : for each number of shares that are sent and each node, { parts, key } of its box
function animation(graph, labels, frames) {
  const film = new Film(graph.shares.length), picture = new GraphPicture(graph, { chosen() {}, looked() {} });
  const { svg: made } = picture;
  labels.forEach((label, i) => picture.label(i, label));
  graph.nodes.forEach((_, i) => {
    const boxes = frames.map((frame) => frame[i]), parts = [];
    for (let from = 0, to; from < boxes.length; from = to) {
      for (to = from + 1; to < boxes.length && boxes[to].key === boxes[from].key; ) to++;
      picture.fill(i, ...boxes[from].parts);
      const part = svg("g", {}, ...picture.nodes[i].inside.childNodes);
      parts.push(film.shown(part, from, to < boxes.length ? to : Infinity));
    }
    picture.nodes[i].inside.replaceChildren(...parts);
  });
  graph.shares.forEach(({ node, to }, k) => {
    const name = (i) => graph.nodes[i].name;
    const edge = graph.edges.find((edge) => name(edge.from) === to && name(edge.to) === node);
    const d = curve(edge.points);
    made.insertBefore(film.shown(svg("path", { d, class: "sent" }), k + 1, Infinity), picture.edges[0]);
    made.append(film.dot(d, k + 0.4, k + 1));
  });
  const y = made.getAttribute("viewBox").split(" ")[1];
  made.prepend(svg("style", {}, LOOK), svg("rect", { x: -10, y, width: "100%", height: "100%", fill: "#fff" }));
  for (const part of made.querySelectorAll("[tabindex]")) part.removeAttribute("tabindex");
  return new XMLSerializer().serializeToString(made);
}

// parts of an SVG with times, which are counted in shares; it ends two shares after the last one, and begins again
class Film {
  constructor(n) {
    this.end = n + 3;
    this.always = { dur: `${this.end * SECONDS}s`, repeatCount: "indefinite" };
  }
  at(time) {
    return Number((time / this.end).toFixed(5));
  }
  // a part that is there from one time to another; where nothing moves, it is there if it is at the end
  shown(part, from, to) {
    const times = [...new Set([0, from, to])].filter(Number.isFinite), words = ["hidden", "visible", "hidden"];
    const values = words.slice(from > 0 ? 0 : 1).slice(0, times.length).join(";");
    const keys = { values, keyTimes: times.map((time) => this.at(time)).join(";") };
    part.setAttribute("visibility", to === Infinity ? "visible" : "hidden");
    part.append(svg("animate", { attributeName: "visibility", calcMode: "discrete", ...this.always, ...keys }));
    return part;
  }
  // a dot that goes back along a curve
  dot(path, from, to) {
    const keys = { keyPoints: "1;1;0;0", keyTimes: `0;${this.at(from)};${this.at(to)};1`, calcMode: "linear" };
    const dot = svg("circle", { r: 6, class: "dot" }, svg("animateMotion", { path, ...this.always, ...keys }));
    return this.shown(dot, from, to);
  }
}
