// Moving averages: a series, its average as the kernel of momentum keeps it, and the same corrected for its start at 0.
function averaged(series, beta) {
  const optimizer = new Optimizer(rules.momentum, { p: 0 }, { beta, bias_correction: true }), raw = [], corrected = [];
  for (const x of series) {
    optimizer.step({ p: x });
    raw.push(optimizer.averages[0][0]);
    corrected.push(optimizer.numbers[3] * optimizer.averages[0][0]);
  }
  return { raw, corrected };
}
const averages = { beta: 0.9, source: "year" };
function beta_of(place) {
  return Number((1 - 10 ** -place).toPrecision(place > 1.5 ? 4 : 3)); // 10^place is 1 / (1 - beta)
}
function show_averages(chart, signal) {
  const { beta } = averages, { raw, corrected } = averaged(signal.values, beta), [constant, steady] = memory(beta);
  chart.draw(
    [
      { name: "the values", values: signal.values, kind: "raw", dots: true, first: 1 },
      { name: "average from 0", values: raw, kind: "rule r1", dash: "7 4", first: 1 },
      { name: "corrected", values: corrected, kind: "rule r0", first: 1 },
    ],
    Math.max(2, signal.values.length),
  );
  $("o-beta-is").textContent = beta;
  const factor = averaged([1], beta).raw[0];
  $("o-memory").textContent =
    `β = ${beta}: the weight of a value falls to 1/e in ${figure(constant)} steps, about 1/(1 − β) = ${figure(1 / (1 - beta))}. ` +
    `The average is as steady as a plain mean of (1 + β)/(1 − β) = ${figure(steady)} values. ` +
    `It starts from 0: after the first value it is ${figure(factor)} times that value, and the correction divides by 1 − βᵗ.`;
  const rows = [1, 2, 5, 10, 20, 50, 100].filter((t) => t <= raw.length);
  $("o-average-rows").replaceChildren(
    ...rows.map((t) =>
      element("tr", {}, Object.assign(element("th", { textContent: t }), { scope: "row" }),
        ...[signal.values[t - 1], raw[t - 1], corrected[t - 1]].map((x) => element("td", { textContent: figure(x) })))),
  );
}
