// Moving averages: a series, its average as the kernel of momentum keeps it, and the same corrected for its start at 0.
function averaged(series, beta) {
  const optimizer = new Optimizer(rules.momentum, { p: 0 }, { beta, bias_correction: true }), raw = [], corrected = [];
  for (const x of series) {
    optimizer.step({ p: x });
    raw.push(optimizer.averages.v[0]);
    corrected.push(optimizer.numbers[3] * optimizer.averages.v[0]);
  }
  return { raw, corrected };
}
const averages = { beta: 0.9, source: "year" };
// the slider goes evenly in the logarithm of 1 / (1 - beta)
const beta_of = (place) => Number((1 - 10 ** -place).toPrecision(place > 1.5 ? 4 : 3));
// the year, or the gradients of the rule that is shown, up to the step that is shown
function signal() {
  const runner = now.race.runners.find(({ name }) => name === now.focus);
  return averages.source === "run" && runner ? runner.notes.slice(0, now.t).map(({ g }) => g[0]) : facts.year;
}
function show_averages() {
  const { beta } = averages, values = signal(), { raw, corrected } = averaged(values, beta);
  const lines = [
    { name: "the values", values, kind: "raw", ink: "quiet", dots: true, first: 1 },
    { name: "average from 0", values: raw, kind: "rule r1", ink: "r1", dash: "7 4", first: 1 },
    { name: "corrected", values: corrected, kind: "rule r0", ink: "r0", first: 1 },
  ];
  charts.averages.draw(lines, Math.max(2, values.length));
  $("o-beta-is").textContent = beta;
  const [constant, steady] = memory(beta), first = averaged([1], beta).raw[0];
  $("o-memory").textContent =
    `β = ${beta}: the weight of a value falls to 1/e in ${figure(constant)} steps, about 1/(1 − β) = ` +
    `${figure(1 / (1 - beta))}. The average is as steady as a plain mean of (1 + β)/(1 − β) = ${figure(steady)} ` +
    `values. It starts from 0: after the first value it is ${figure(first)} times that value, and the correction ` +
    "divides by 1 − βᵗ.";
  const rows = [1, 2, 5, 10, 20, 50, 100].filter((t) => t <= raw.length).map((t) => {
    const cells = [values, raw, corrected].map((numbers) => element("td", { textContent: figure(numbers[t - 1]) }));
    return element("tr", {}, element("th", { scope: "row", textContent: t }), ...cells);
  });
  $("o-average-rows").replaceChildren(...rows);
}
