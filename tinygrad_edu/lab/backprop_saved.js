// What can be taken away: a script that prints the same gradients, and an animation.

// a script of Python, with the numbers that are on the page
function python_of({ code, source, inputs, nodes }, values) {
  const written = (x, whole) => {
    if (Array.isArray(x)) return `[${x.map((part) => written(part, whole)).join(", ")}]`;
    return Number.isInteger(x) && !whole ? x.toFixed(1) : String(x);
  };
  const kept = nodes.filter((node) => node.kind === "leaf").map((node) => node.name);
  const lists = Object.entries(inputs).map(([name, { whole }]) => [name, written(values[name], whole)]);
  if (!code) {
    const given = lists.map(([name, text]) => `    ${name}=np.array(${text}),`);
    return [source, "loss, gradients = backprop(", ...given, ")", 'print("loss =", float(loss))',
      "for name, d in gradients.items():", '    print(f"d_{name} =", d.tolist())', ""].join("\n");
  }
  const tensors = lists.map(([name, text]) => `${name} = tg.Tensor(${text}${kept.includes(name) ? ", requires_grad=True" : ""})`);
  const pairs = kept.map((name) => `"${name}": ${name}`).join(", ");
  return ["import tinygrad_edu as tg", "", ...tensors, code, "loss.backward()", 'print("loss =", loss.item())',
    `for name, t in {${pairs}}.items():`, '    print(f"d_{name} =", t.grad.tolist())', ""].join("\n");
}

const LOOK = `text{font:13px ui-monospace,monospace;fill:#1c2326}.title{font-weight:600}.node rect{fill:#fff;stroke:#55616a}
.node.leaf rect{stroke-width:2.6}.node.data rect{stroke-dasharray:5 4}.edge .line{fill:none;stroke:#55616a}
.edge .reach{display:none}.head{fill:#55616a}.edge text{font-size:12px}.edge rect{fill:#fff}
.gradient{fill:#0072b2}.sent{fill:none;stroke:#0072b2;stroke-width:2.6}.dot{fill:#b35c00}`;

// an SVG that plays by itself, in any browser: each share goes back along its edge, and the sums grow.
// labels : for each edge; frames : for each number of shares that are sent and each node, { parts, key } of its box
function animation(graph, labels, frames) {
  const SECONDS = 1.4, n = graph.shares.length, all = (n + 3) * SECONDS, at = (p) => Number(((p * SECONDS) / all).toFixed(5));
  const picture = new GraphPicture(graph, { chosen() {}, looked() {} }), { svg } = picture;
  const shown = (part, from, to) => {
    const ends = to > n ? [0, at(from)] : [0, at(from), at(to)], values = to > n ? "hidden;visible" : "hidden;visible;hidden";
    const times = from ? { values, keyTimes: ends.join(";") } : { values: values.slice(7), keyTimes: [0, ...ends.slice(2)].join(";") };
    part.setAttribute("visibility", to > n ? "visible" : "hidden");
    part.append(drawn("animate", { attributeName: "visibility", calcMode: "discrete", dur: `${all}s`, repeatCount: "indefinite", ...times }));
    return part;
  };
  graph.edges.forEach((edge, i) => picture.label(i, labels[i]));
  graph.nodes.forEach((node, i) => {
    const states = frames.map((frame) => frame[i]), parts = [];
    for (let from = 0; from <= n; ) {
      let to = from + 1;
      while (to <= n && states[to].key === states[from].key) to++;
      picture.fill(i, ...states[from].parts);
      parts.push(shown(drawn("g", {}, ...picture.nodes[i].inside.childNodes), from, to));
      from = to;
    }
    picture.nodes[i].inside.replaceChildren(...parts);
  });
  graph.shares.forEach(({ node, to }, k) => {
    const edge = graph.edges.find((one) => graph.nodes[one.from].name === to && graph.nodes[one.to].name === node);
    const d = curve(edge.points), [begin, end] = [at(k + 0.4), at(k + 1)], dot = drawn("circle", { r: 6, class: "dot" });
    dot.append(drawn("animateMotion", { path: d, dur: `${all}s`, repeatCount: "indefinite", calcMode: "linear",
      keyPoints: "1;1;0;0", keyTimes: `0;${begin};${end};1` }));
    svg.insertBefore(shown(drawn("path", { d, class: "sent" }), k + 1, n + 1), picture.nodes[0]);
    svg.append(shown(dot, k + 0.4, k + 1));
  });
  svg.prepend(drawn("style", {}, LOOK), drawn("rect", { x: -10, y: svg.getAttribute("viewBox").split(" ")[1], width: "100%", height: "100%", fill: "#fff" }));
  for (const part of svg.querySelectorAll("[tabindex]")) part.removeAttribute("tabindex");
  return new XMLSerializer().serializeToString(svg);
}
