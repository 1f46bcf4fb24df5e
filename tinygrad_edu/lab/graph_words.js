// What is said of the parts of a graph. now : each number of the program, by name; at : the shares that are sent.
const graph_words = (() => {
  const node_of = (graph, name) => graph.nodes.find((node) => node.name === name);
  const single = (x) => np.size(x) === 1;
  // a value on one line
  function brief(x) {
    if (x === undefined) return "?";
    if (single(x)) return short(flat(x)[0]);
    const small = np.size(x) <= 6, list = np.tolist(x);
    const written = (part) => (Array.isArray(part) ? `[${part.map(written).join(", ")}]` : short(part));
    return small ? written(list) : `(${np.shape(x).join(", ")}), norm ${short(norm(x))}`;
  }
  // a formula with numbers for names; "" where a name is an array, or nothing changes
  function filled(formula, now) {
    let arrays = false;
    const text = formula.replace(/(?<![\w.])[A-Za-z_]\w*/g, (name) => {
      if (!(name in now)) return name;
      arrays ||= np.ndim(now[name]) > 0;
      const value = flat(now[name])[0];
      return value < 0 ? `(${short(value)})` : short(value);
    });
    return arrays || text === formula ? "" : text;
  }
  const chain = (...parts) => parts.filter((part, i) => part && part !== parts[i - 1]).join(" = ");
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const sent_to = (graph, name) => graph.shares.filter((share) => share.to === name);
  const sent_by = (graph, name) => graph.shares.filter((share) => share.node === name);
  const come = (graph, name, at) => graph.shares.slice(0, at).filter((share) => share.to === name);

  function edge(graph, share, now, at) {
    const { node, to, local, formula, use, uses } = share, place = graph.shares.indexOf(share);
    const last = share.lines.find((line) => line.startsWith(`${share.share} = `)).split(" = ")[1];
    const lines = [`${node} = ${node_of(graph, node).origin}`];
    if (local) lines.push(`local derivative: ∂${node}/∂${to} = ${chain(formula, filled(formula, now), brief(now[local]))}`);
    lines.push(`share: ${chain(last, filled(last, now), brief(now[share.share]))}`);
    if (uses > 1) {
      const before = use > 1 ? brief(now[come(graph, to, place).at(-1).sum]) : "0";
      const rest = use === uses ? "the sum is complete" : `the sum waits for ${counted(uses - use, "more share")}`;
      lines.push(`share ${use} of ${uses}: d_${to} = ${before} + ${brief(now[share.share])} = ${brief(now[share.sum])}; ${rest}`);
    }
    if (place >= at) lines.push("not sent yet");
    return lines;
  }
  function node(graph, { name, origin, kind, rule }, now, at, hidden) {
    const value = kind === "computed" ? chain(`${name} = ${origin}`, filled(origin, now), brief(now[name])) : `${name} = ${brief(now[name])}`;
    const lines = [value];
    if (rule) lines.push(`the op: ${rule}`);
    if (kind === "data") return [...lines, "data: no gradient is asked for, so no share is sent here"];
    const all = sent_to(graph, name), here = come(graph, name, at), sum = all.length ? here.at(-1)?.sum : `d_${name}`;
    if (all.length && !here.length) lines.push(`its gradient: nothing has come yet, ${counted(all.length, "share")} will`);
    else if (here.length < all.length)
      lines.push(`its gradient so far: ${brief(now[sum])}, after ${here.length} of ${counted(all.length, "share")}`);
    else if (!hidden) lines.push(complete(graph, name, now, sum));
    if (kind === "leaf") lines.push("a leaf: backward() keeps its gradient in .grad");
    return lines;
  }
  function complete(graph, name, now, sum) {
    if (name === graph.loss) return `its gradient is 1: ${name} grows as fast as itself`;
    const d = flat(now[sum]), words = `its gradient: d_${name} = ${brief(now[sum])}, complete.`;
    if (d.length > 1) return words;
    return `${words} A little more ${name}, by 0.01, changes ${graph.loss} by about ${short(0.01 * d[0])}`;
  }
  // why a node may not send yet; "" if it may
  function waits(graph, name, at) {
    const { kind } = node_of(graph, name), all = sent_to(graph, name), here = come(graph, name, at);
    const missing = [...new Set(all.slice(here.length).map((share) => share.node))];
    if (kind === "data") return `${name} is data: it gets no gradient, and sends none.`;
    if (missing.length) {
      const who = `${missing.join(" and ")} ${missing.length > 1 ? "have" : "has"} not sent`;
      return `${name} is not ready: ${who} its share yet (${here.length} of ${all.length} came).`;
    }
    if (kind === "leaf") return `${name} is a leaf: its gradient is complete and stays there. It has no arguments to send to.`;
    return sent_by(graph, name).every((share) => graph.shares.indexOf(share) < at) ? `${name} has sent its shares already.` : "";
  }
  return { brief, filled, chain, counted, node_of, sent_to, sent_by, come, edge, node, waits };
})();
