// Plain recursion beside backprop: the paths that it takes, one by one, and how often it comes by each node.
function paths_panel({ nodes, shares, paths, loss }, now, light) {
  const reached = nodes.filter((node) => node.kind !== "data");
  const visits = reached.reduce((sum, node) => sum + node.paths, 0), ends = nodes.filter((node) => node.kind === "leaf");
  const all = ends.reduce((sum, node) => sum + node.paths, 0), seen = new Set([""]);
  const rows = paths.map(({ to, via, name }, k) => {
    for (let i = 1; i <= via.length; i++) seen.add(via.slice(0, i).join());
    const way = [loss, ...via.map((i) => shares[i].to)].join(" → ");
    const factors = via.map((i) => words.brief(now[shares[i].local]));
    const button = element("button", { type: "button", textContent: way, className: "way" });
    button.onpointerenter = button.onfocus = () => light(via);
    button.onpointerleave = button.onblur = () => light();
    const product = name ? `${factors.map(words.factor).join(" · ")} = ${words.brief(now[name])}` : "";
    const cells = [String(k + 1), "", ...(name ? [product] : []), String(seen.size)].map((text) => element("td", { textContent: text }));
    cells[1].append(button);
    return element("tr", {}, ...cells);
  });
  const product = paths[0]?.name ? ["product of the local derivatives"] : [];
  const names = ["path", `from ${loss} to a leaf`, ...product, "visits so far"];
  const head = element("tr", {}, ...names.map((text) => element("th", { scope: "col", textContent: text })));
  const table = element("table", { className: "paths" }, element("thead", {}, head), element("tbody", {}, ...rows));
  const times = visits / reached.length, size = (n) => (n < 1e6 ? n : n.toExponential(1));
  const bold = (textContent) => element("b", { textContent });
  const here = times === 1
    ? [`No paths meet here, so it makes the same ${words.counted(visits, "visit")}.`]
    : [bold(`${words.counted(size(all), "path")} and ${words.counted(size(visits), "visit")}`), ` where backprop makes ${reached.length} visits, one to a node: `, bold(`${short(times)} times the work`), ". The sum over the paths to a leaf is the same gradient."];
  const said = [element("p", {}, "Recursion that sends each share on at once, without waiting for the others, walks every path anew. ", ...here)];
  const sums = paths.length < all || !paths[0]?.name ? [] : ends.map(({ name }) => {
    const terms = paths.filter((path) => path.to === name).map((path) => words.brief(now[path.name]));
    return element("p", { className: "mono", textContent: words.chain(`d_${name}`, terms.map(words.factor).join(" + "), words.brief(now[`d_${name}`])) });
  });
  const more = all > paths.length ? [element("p", { textContent: `… and ${size(all - paths.length)} more paths.` })] : [];
  return [...said, element("div", { className: "frame", tabIndex: 0, ariaLabel: "The paths" }, table), ...more, ...sums];
}
