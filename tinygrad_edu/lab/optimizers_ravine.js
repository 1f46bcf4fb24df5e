// Stability on the ravine: what theory says, and a scale of rates with the stretch on which each rule is stable.
function show_ravine() {
  const { plan } = now, momentum = hyper_of(plan, "heavy_ball").momentum ?? rules.heavy_ball.hyper.momentum;
  const known = ravine_facts(plan.k, momentum), rates = ["sgd", "heavy_ball"].map((rule) => rate_of(plan, rule));
  $("o-ravine-is").replaceChildren(...ravine_words(plan.k, rates, momentum, known));
  $("o-scale").replaceChildren(scale_of_rates(rates, momentum, known));
}
function ravine_words(k, [rate, rate_ball], beta, known) {
  const [limit, best, left, limit_ball, best_beta, best_rate, left_ball] = known.map((x) => figure(x));
  const verdict = (rate, most) => {
    const textContent = rate < most ? "stable" : rate > most ? "it diverges" : "it never comes to rest";
    return element("strong", { textContent });
  };
  const line = (...parts) => element("span", { className: "line" }, ...parts);
  return [
    line(`Curvatures 1 and L = k = ${figure(k)}.`),
    line(
      element("b", { textContent: "Gradient descent" }),
      ` is stable below 2/L = ${limit}; at the rate ${figure(rate)}: `, verdict(rate, known[0]),
      `. At its best rate 2/(1 + L) = ${best} each step leaves the share ${left} of the distance.`,
    ),
    line(
      element("b", { textContent: "Heavy ball" }),
      ` with momentum ${figure(beta)} is stable below 2(1 + β)/L = ${limit_ball}; at the rate ${figure(rate_ball)}: `,
      verdict(rate_ball, known[3]),
      `. Its best momentum is ((√k − 1)/(√k + 1))² = ${best_beta}, at the rate (2/(√k + 1))² = ${best_rate}: ` +
        `each step leaves the share ${left_ball}.`,
    ),
  ];
}
function scale_of_rates(rates, beta, [limit, best, , limit_ball, , best_rate]) {
  const width = Math.max(260, $("o-scale").clientWidth || 300), every = width < 300 ? 2 : 1;
  const x = (rate) => 8 + ((width - 16) * (Math.log10(rate) + 4)) / 6;
  const words = `Stable rates: gradient descent below ${figure(limit)}, heavy ball below ${figure(limit_ball)}`;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${104 * em}`, class: "stability", role: "img", "aria-label": words });
  const bar = (text, rule, rate, most, good, y) => {
    const { kind, shape } = look(rule);
    picture.append(write(`${text}: stable below ${figure(most)}`, 8, y - 11 * em, "tick", "start"));
    picture.append(svg("path", { class: `${kind} band`, d: `M${x(1e-4)} ${y}H${x(most)}` }));
    picture.append(svg("path", { class: `${kind} mark`, d: shape, transform: `translate(${x(good)} ${y})` }));
    picture.append(svg("path", { class: "rate", d: `M${x(rate)} ${y - 8}V${y + 8}` }));
  };
  bar("gradient descent", "sgd", rates[0], limit, best, 28 * em);
  bar(`heavy ball, β = ${figure(beta)}`, "heavy_ball", rates[1], limit_ball, best_rate, 60 * em);
  for (let e = -4; e <= 2; e += every)
    picture.append(write(short(10 ** e), x(10 ** e), 98 * em, "tick", e === -4 ? "start" : e === 2 ? "end" : "middle"));
  picture.says = () =>
    "Rates on a logarithmic scale. Bars: where the rule is stable; marks: its best rate " +
    "(of heavy ball: with its best momentum); the line: its rate now.";
  return picture;
}
