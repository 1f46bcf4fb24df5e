// What is said of the parts of a graph, as lines of [label, text]. now : each number of the program, by name; at : how
// many shares are sent; quiz : numbers that are not sent yet are kept back
const words = (() => {
  const node_of = (graph, name) => graph.nodes.find((node) => node.name === name);
  const single = (x) => np.size(x) === 1;
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const sent_to = (graph, name) => graph.shares.filter((share) => share.to === name);
  const sent_by = (graph, name) => graph.shares.filter((share) => share.node === name);
  const come = (graph, name, at) => graph.shares.slice(0, at).filter((share) => share.to === name);
  const formula_of = ({ lines, share }) => lines.find((line) => line.startsWith(`${share} = `)).split(" = ")[1];

  // a value on one line
  function brief(x) {
    if (x === undefined) return "?";
    if (single(x)) return short(flat(x)[0]);
    const written = (part) => (Array.isArray(part) ? `[${part.map(written).join(", ")}]` : short(part));
    return np.size(x) <= 9 ? written(np.tolist(x)) : rows_of(x, [])[0];
  }
  // a number behind a sign
  const factor = (text) => (text.startsWith("−") ? `(${text})` : text);
  // a formula with numbers for names; "" where a name is an array, or nothing changes
  function filled(formula, now) {
    let arrays = false;
    const text = formula.replace(/(?<![\w.])[A-Za-z_]\w*/g, (name) => {
      if (!(name in now)) return name;
      arrays ||= np.ndim(now[name]) > 0;
      const value = short(flat(now[name])[0]);
      return name === formula ? value : factor(value);
    });
    return arrays || text === formula ? "" : text;
  }
  // a = b = c, each said once
  const chain = (...parts) => parts.filter(Boolean).filter((part, i, all) => part !== all[i - 1]).join(" = ");
  const worked = (formula, now, value) => chain(formula, filled(formula, now), brief(value));

  function edge(graph, share, now, at, quiz) {
    const { node, to, local, formula, use, uses } = share, place = graph.shares.indexOf(share), lines = [];
    const later = place >= at, secret = quiz && later, how = formula_of(share);
    if (local) lines.push(["local derivative", `∂${node}/∂${to} = ${worked(formula, now, now[local])}`]);
    lines.push([later ? "share, not sent yet" : "share", secret ? how : worked(how, now, now[share.share])]);
    if (uses === 1 || secret) return lines;
    const before = use > 1 ? brief(now[come(graph, to, place).at(-1).sum]) : "0";
    const sum = `${before} + ${factor(brief(now[share.share]))} = ${brief(now[share.sum])}`;
    lines.push([`sum, ${use} of ${uses}`, `d_${to} = ${sum}`]);
    if (use < uses && !later) lines.push(["", `The sum waits for ${counted(uses - use, "more share")}.`]);
    return lines;
  }

  function node(graph, shown, now, at, quiz) {
    const { name, origin, kind, rule } = shown, value = now[name];
    const lines = [["value", `${name} = ${kind === "computed" ? worked(origin, now, value) : brief(value)}`]];
    if (rule) lines.push(["the op", rule]);
    if (kind === "data") return [...lines, ["", "Data: no gradient is asked for, so nothing is sent here."]];
    lines.push(...slope(graph, name, now, at));
    if (kind === "leaf" && !quiz) lines.push(["", "A leaf: backward() keeps its gradient in .grad."]);
    return lines;
  }
  // how far a node's gradient is known
  function slope(graph, name, now, at) {
    const { loss } = graph, all = sent_to(graph, name).length, here = come(graph, name, at);
    const sum = now[here.at(-1)?.sum];
    if (name === loss)
      return [["gradient", `d_${name} = 1`], ["", `${name} grows as fast as itself: the backward pass begins here.`]];
    if (here.length < all) {
      const known = here.length ? `${brief(sum)} so far` : "nothing yet";
      return [["gradient", known], ["", `${here.length} of ${counted(all, "share")} came.`]];
    }
    const lines = [["gradient", `d_${name} = ${brief(sum)}`]];
    if (!single(sum)) return lines;
    const change = short(0.01 * flat(sum)[0]);
    return [...lines, ["", `Complete. If ${name} grows by 0.01, ${loss} changes by about ${change}.`]];
  }

  // why a node may not send; "" if it may
  function waits(graph, name, at) {
    const { kind } = node_of(graph, name), all = sent_to(graph, name), here = come(graph, name, at);
    const missing = [...new Set(all.slice(here.length).map((share) => share.node))];
    if (kind === "data") return `${name} is data: it gets no gradient, and sends none.`;
    if (missing.length) {
      const who = `${missing.join(" and ")} ${missing.length > 1 ? "have" : "has"} not sent everything yet`;
      return `${name} is not ready: ${who}; ${here.length} of ${all.length} came.`;
    }
    if (kind === "leaf") return `${name} is a leaf: it was computed from nothing, so it keeps its gradient.`;
    const done = sent_by(graph, name).every((share) => graph.shares.indexOf(share) < at);
    return done ? `${name} has sent its shares already.` : "";
  }
  const texts = { brief, factor, chain, worked, counted, edge, node, waits };
  return { ...texts, node_of, sent_to, sent_by, come, formula_of };
})();
