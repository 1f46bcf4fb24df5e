// What just happened: the lines of the batch's program, one by one, with what each made.
function draw_lines() {
  const { program, midway, at } = pg.run, done = at ?? 0, list = $("pg-lines"), texts = program.source.split("\n");
  let number = -1;
  pg.line_count = program.lines.length;
  const rows = texts.map((text) => {
    const own = number + 1 < program.lines.length && text === `    ${program.lines[number + 1].text}`;
    if (!own) return plain_row(text);
    number += 1;
    return line_row(text, number, done);
  });
  list.replaceChildren(...rows);
  list.onkeydown = walk_lines;
  $("pg-where").textContent = progress(done);
  $("pg-rest").disabled = !pg.good || !midway;
  draw_value();
}
function plain_row(text) {
  const row = element("div", { className: "pg-text", textContent: text || " " });
  row.setAttribute("role", "presentation");
  return row;
}
function progress(done) {
  const { program, midway } = pg.run, n = program.lines.length;
  if (!done) return "Next line begins a batch.";
  if (!midway) return `All ${n} lines have run, and the rule has moved the weights.`;
  const way = done < program.forward.length + program.loss.length ? "forward" : "backward";
  return `Line ${done} of ${n}; the next goes ${way}.`;
}
function line_row(text, number, done) {
  const { program, values } = pg.run, ran = number < done, { target } = program.lines[number];
  const row = element("div", { className: "pg-row", id: `pg-row-${number}` }, element("code", { textContent: text }));
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", number === pg.line);
  if (ran) row.append(element("span", { textContent: brief(values[target]) }));
  row.classList.toggle("ran", ran);
  row.classList.toggle("latest", number === done - 1);
  row.onclick = () => choose_line(number);
  return row;
}
function brief(x) {
  if (typeof x === "number") return short(x);
  const first = [...x.data.slice(0, 2)].map(short), rest = x.data.length > 2 ? ["…"] : [];
  return [`(${x.shape.join(", ")})`, ...first, ...rest].join("  ");
}
function walk_lines(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  choose_line(Math.min(Math.max(pg.line + by, 0), pg.line_count - 1));
  keep_in_view(pg.line);
}
function choose_line(number) {
  pg.line = number;
  for (const row of $("pg-lines").querySelectorAll("[role=option]"))
    row.setAttribute("aria-selected", row.id === `pg-row-${number}`);
  $("pg-lines").setAttribute("aria-activedescendant", `pg-row-${number}`);
  draw_value();
}
// the arrays of the line that is chosen: what it read, and what it made
function draw_value() {
  const { program, values, at } = pg.run, line = program.lines[pg.line], place = $("pg-value");
  const quiet = (text) => element("p", { className: "quiet", textContent: text });
  if (!line || !values) return place.replaceChildren(quiet("Choose a line."));
  const ran = pg.line < at, { target } = line, used = [...new Set(line.text.match(/[A-Za-z_]\w*/g))];
  const names = [...(ran ? [target] : []), ...used.filter((name) => name in values && name !== target)];
  const shown = names.map((name) => array_table(name, values[name], name === target));
  place.replaceChildren(element("p", {}, element("code", { textContent: line.text })), ...shown);
  if (!ran) place.append(quiet("This line has not run yet in this batch."));
}
function array_table(name, x, made) {
  const flat = typeof x === "number" ? [x] : x.shape.length === 1 ? [...x.data] : null;
  const rows = flat ? [flat] : drawn(x.shape[0], (i) => row(x, i)), size = x.shape?.join(" × ") ?? "a number";
  const caption = element("caption", { textContent: `${name}${made ? ", made here" : ""}: ${size}` });
  const cells = (list) => [...list.slice(0, 8).map(short), ...(list.length > 8 ? ["…"] : [])];
  const body = rows.slice(0, 8).map((list) => element("tr", {}, ...cells(list).map((a) => element("td", {}, a))));
  if (rows.length > 8) body.push(element("tr", {}, element("td", { colSpan: 9 }, `… ${rows.length - 8} more rows`)));
  return element("div", { className: "scroll" }, element("table", {}, caption, element("tbody", {}, ...body)));
}
function next_line() {
  play(false);
  pg.run.line();
  pg.line = (pg.run.at ?? 1) - 1;
  if (!pg.run.midway) record();
  refresh();
  keep_in_view(pg.line);
}
// scroll the list, but not the page, to a line
function keep_in_view(number) {
  const list = $("pg-lines"), line = $(`pg-row-${number}`);
  if (!line) return;
  const top = line.offsetTop - list.offsetTop, most = top - 8, least = top + line.offsetHeight + 8 - list.clientHeight;
  list.scrollTop = Math.max(least, Math.min(list.scrollTop, most));
}
