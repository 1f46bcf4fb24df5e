// Stability on the ravine: what theory says, and a scale of rates with the stretch on which each rule is stable.
function show_ravine() {
  const { k, lr } = now.plan, ball = now.race.runners.find(({ name }) => name === "heavy_ball");
  const beta = ball?.hyper.momentum ?? rules.heavy_ball.hyper.momentum;
  const known = ravine_facts(k, beta).map((x) => Number(x.toPrecision(4)));
  $("o-ravine-is").replaceChildren(...ravine_words(k, lr, beta, known));
  $("o-scale").replaceChildren(scale_of_rates(lr, beta, known));
}
function ravine_words(k, lr, beta, [limit, best, left, limit_ball, best_beta, best_rate, left_ball]) {
  const verdict = (most) => element("strong", { textContent: lr < most ? "stable" : "it diverges" });
  return [
    `Curvatures 1 and L = k = ${figure(k)}. Gradient descent is stable below 2/L = ${limit}; ` +
      `at the rate ${figure(lr)}: `,
    verdict(limit),
    `. At its best rate 2/(1 + L) = ${best} each step leaves ${figure(100 * left)} % of the distance. ` +
      `Heavy ball with momentum ${figure(beta)} is stable below 2(1 + β)/L = ${limit_ball}: `,
    verdict(limit_ball),
    `. Its best momentum is ((√k − 1)/(√k + 1))² = ${best_beta}, at the rate (2/(√k + 1))² = ${best_rate}: ` +
      `each step leaves ${figure(100 * left_ball)} %.`,
  ];
}
function scale_of_rates(lr, beta, [limit, best, , limit_ball, , best_rate]) {
  const width = Math.max(260, $("o-scale").clientWidth || 300), every = width < 300 ? 2 : 1;
  const x = (rate) => 8 + ((width - 16) * (Math.log10(rate) + 4)) / 6;
  const words = `Stable rates: gradient descent below ${limit}, heavy ball below ${limit_ball}; now ${figure(lr)}`;
  const picture = svg("svg", { viewBox: `0 0 ${width} 104`, class: "stability", role: "img", "aria-label": words });
  const bar = (text, rule, most, good, y) => {
    const { kind, shape } = look(rule);
    picture.append(write(`${text}: stable below ${most}`, 8, y - 11, "tick", "start"));
    picture.append(svg("path", { class: `${kind} band`, d: `M${x(1e-4)} ${y}H${x(most)}` }));
    picture.append(svg("path", { class: `${kind} mark`, d: shape, transform: `translate(${x(good)} ${y})` }));
  };
  bar("gradient descent", "sgd", limit, best, 28);
  bar(`heavy ball, β = ${figure(beta)}`, "heavy_ball", limit_ball, best_rate, 60);
  for (let e = -4; e <= 2; e += every)
    picture.append(write(short(10 ** e), x(10 ** e), 98, "tick", e === -4 ? "start" : e === 2 ? "end" : "middle"));
  picture.append(svg("path", { class: "rate", d: `M${x(lr)} 8V84` }));
  picture.says = () =>
    "Rates on a logarithmic scale. Bars: where the rule is stable; marks: its best rate " +
    "(of heavy ball: with its best momentum); the line: the rate now.";
  return picture;
}
