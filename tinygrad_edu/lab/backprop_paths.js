// Plain recursion beside backprop: the paths that it takes, one by one, and how often it comes by each node.
const size_of = (n) => (n < 1e6 ? n : n.toExponential(1));

// light : function of the shares of a path, which shows it in the picture
function paths_panel(graph, now, light) {
  const { nodes, paths } = graph, reached = nodes.filter((node) => node.kind !== "data");
  const leaves = nodes.filter((node) => node.kind === "leaf");
  const sum = (list) => list.reduce((n, node) => n + node.paths, 0);
  const visits = sum(reached), all = sum(leaves), complete = paths.length === all && paths[0]?.name;
  const table = paths_table(graph, now, light), left = `… and ${size_of(all - paths.length)} more paths.`;
  const frame = element("div", { className: "frame", tabIndex: 0, ariaLabel: "The paths" }, table);
  const more = all > paths.length ? [element("p", { textContent: left })] : [];
  const sums = complete ? leaves.map(({ name }) => path_sum(graph, name, now)) : [];
  return [work_words(visits, reached.length, all), frame, ...more, ...sums];
}
function work_words(visits, once, paths) {
  const bold = (textContent) => element("b", { textContent });
  const begin = "Recursion that sends each share on at once, without waiting for the others, walks every path anew. ";
  const same = `No paths meet here, so it makes the same ${words.counted(once, "visit")}.`;
  if (visits === once) return element("p", { textContent: begin + same });
  const made = bold(`${words.counted(size_of(paths), "path")} and ${words.counted(size_of(visits), "visit")}`);
  const backprop = ` where backprop makes ${once} visits, one to a node: `;
  const end = ". The sum over the paths to a leaf is the same gradient.";
  return element("p", {}, begin, made, backprop, bold(`${short(visits / once)} times the work`), end);
}
function paths_table({ shares, paths, loss }, now, light) {
  const seen = new Set([""]), numbered = Boolean(paths[0]?.name);
  const rows = paths.map(({ to, via, name }, k) => {
    for (let i = 1; i <= via.length; i++) seen.add(via.slice(0, i).join()); // each beginning of a path is one visit
    const way = [loss, ...via.map((i) => shares[i].to)].join(" → ");
    const button = element("button", { type: "button", textContent: way, className: "way" });
    button.onpointerenter = button.onfocus = () => light(via);
    button.onpointerleave = button.onblur = () => light();
    const factors = via.map((i) => words.factor(words.brief(now[shares[i].local])));
    const product = numbered ? [`${factors.join(" · ")} = ${words.brief(now[name])}`] : [];
    const cells = [k + 1, button, ...product, seen.size].map((part) => element("td", {}, part));
    return element("tr", {}, ...cells);
  });
  const product = numbered ? ["product of the local derivatives"] : [];
  const names = ["path", `from ${loss} to a leaf`, ...product, "visits so far"];
  const head = element("tr", {}, ...names.map((textContent) => element("th", { scope: "col", textContent })));
  return element("table", { className: "paths" }, element("thead", {}, head), element("tbody", {}, ...rows));
}
function path_sum({ paths }, name, now) {
  const terms = paths.filter((path) => path.to === name).map((path) => words.factor(words.brief(now[path.name])));
  const text = words.chain(`d_${name}`, terms.join(" + "), words.brief(now[`d_${name}`]));
  return element("p", { className: "mono", textContent: text });
}
