// What is said of the parts of a graph, as lines of [label, text]. now : each number of the program, by name; at : how
// many shares are sent; quiz : numbers that are not sent yet are kept back
const words = (() => {
  const node_of = (graph, name) => graph.nodes.find((node) => node.name === name);
  const single = (x) => np.size(x) === 1;
  // a value on one line
  function brief(x) {
    if (x === undefined) return "?";
    if (single(x)) return short(flat(x)[0]);
    const written = (part) => (Array.isArray(part) ? `[${part.map(written).join(", ")}]` : short(part));
    return np.size(x) <= 9 ? written(np.tolist(x)) : rows_of(x, [])[0];
  }
  // a formula with numbers for names; "" where a name is an array, or nothing changes
  function filled(formula, now) {
    let arrays = false;
    const text = formula.replace(/(?<![\w.])[A-Za-z_]\w*/g, (name) => {
      if (!(name in now)) return name;
      arrays ||= np.ndim(now[name]) > 0;
      const value = flat(now[name])[0];
      return name === formula ? short(value) : factor(short(value));
    });
    return arrays || text === formula ? "" : text;
  }
  // a number behind a sign
  const factor = (text) => (text.startsWith("−") ? `(${text})` : text);
  const chain = (...parts) => parts.filter(Boolean).filter((part, i, all) => part !== all[i - 1]).join(" = ");
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const sent_to = (graph, name) => graph.shares.filter((share) => share.to === name);
  const sent_by = (graph, name) => graph.shares.filter((share) => share.node === name);
  const come = (graph, name, at) => graph.shares.slice(0, at).filter((share) => share.to === name);
  const formula_of = ({ lines, share }) => lines.find((line) => line.startsWith(`${share} = `)).split(" = ")[1];

  function edge(graph, share, now, at, quiz) {
    const { node, to, local, formula, use, uses } = share, place = graph.shares.indexOf(share);
    const later = place >= at, secret = quiz && later, value = formula_of(share), lines = [];
    if (local) lines.push(["local derivative", `∂${node}/∂${to} = ${chain(formula, filled(formula, now), brief(now[local]))}`]);
    lines.push([later ? "share, not sent yet" : "share", secret ? value : chain(value, filled(value, now), brief(now[share.share]))]);
    if (uses > 1 && !secret) {
      const before = use > 1 ? brief(now[come(graph, to, place).at(-1).sum]) : "0";
      lines.push([`sum, ${use} of ${uses}`, `d_${to} = ${before} + ${factor(brief(now[share.share]))} = ${brief(now[share.sum])}`]);
      if (use < uses && !later) lines.push(["", `The sum waits for ${counted(uses - use, "more share")}.`]);
    }
    return lines;
  }
  function node(graph, { name, origin, kind, rule }, now, at, quiz) {
    const lines = [["value", kind === "computed" ? chain(`${name} = ${origin}`, filled(origin, now), brief(now[name])) : `${name} = ${brief(now[name])}`]];
    if (rule) lines.push(["the op", rule]);
    if (kind === "data") return [...lines, ["", "Data: no gradient is asked for, so nothing is sent here."]];
    const all = sent_to(graph, name), here = come(graph, name, at), sum = all.length ? here.at(-1)?.sum : `d_${name}`;
    const so_far = `${here.length} of ${counted(all.length, "share")}`;
    if (name === graph.loss) lines.push(["gradient", `d_${name} = 1`], ["", `${name} grows as fast as itself: the backward pass begins here.`]);
    else if (here.length < all.length) lines.push(["gradient", here.length ? `${brief(now[sum])} so far` : "nothing yet"], ["", `${so_far} came.`]);
    else {
      lines.push(["gradient", `d_${name} = ${brief(now[sum])}`]);
      if (single(now[sum])) lines.push(["", `Complete. If ${name} grows by 0.01, ${graph.loss} changes by about ${short(0.01 * flat(now[sum])[0])}.`]);
    }
    if (kind === "leaf" && !quiz) lines.push(["", "A leaf: backward() keeps its gradient in .grad."]);
    return lines;
  }
  // why a node may not send; "" if it may
  function waits(graph, name, at) {
    const { kind } = node_of(graph, name), all = sent_to(graph, name), here = come(graph, name, at);
    const missing = [...new Set(all.slice(here.length).map((share) => share.node))];
    if (kind === "data") return `${name} is data: it gets no gradient, and sends none.`;
    if (missing.length) {
      const who = `${missing.join(" and ")} ${missing.length > 1 ? "have" : "has"} not sent`;
      return `${name} is not ready: ${who} everything yet; ${here.length} of ${all.length} came.`;
    }
    if (kind === "leaf") return `${name} is a leaf: its gradient stays there. It was computed from nothing, so it sends nothing.`;
    return sent_by(graph, name).every((share) => graph.shares.indexOf(share) < at) ? `${name} has sent its shares already.` : "";
  }
  return { brief, factor, filled, chain, counted, node_of, sent_to, sent_by, come, formula_of, edge, node, waits };
})();
