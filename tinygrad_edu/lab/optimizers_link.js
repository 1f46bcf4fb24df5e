// The link: what is shown as the part of an address, and back. What makes no sense is left out.
function link_of() {
  const { plan, t, steps, focus, race } = now, { surface, lr, start, k, batch } = plan;
  const hyper = Object.entries(plan.hyper).flatMap(([rule, values]) =>
    Object.entries(values).map(([name, value]) => `${rule}.${name}:${value}`),
  );
  return {
    surface, rules: plan.rules, lr, start, t, n: steps, focus, beta: averages.beta, source: averages.source,
    ...(plan.tuned && { tuned: 1 }),
    ...(surface === "ravine" && { k }),
    ...(race.ground.size && { batch }),
    ...(hyper.length && { hyper }),
  };
}
function hyper_from(text) {
  const hyper = {};
  for (const [, rule, name, value] of text.matchAll(/(\w+)\.(\w+):([^,]+)/g)) {
    const usual = rules[rule]?.hyper[name], given = { true: true, false: false }[value] ?? Number(value);
    if (typeof given === typeof usual && in_range(name, +given)) (hyper[rule] ??= {})[name] = given;
  }
  return hyper;
}
function follow_link(link) {
  const kept = { ...begun("optimizers"), ...link };
  const number = (name, usual, least, most) => {
    const given = parseFloat(kept[name]);
    return Number.isFinite(given) ? Math.min(most, Math.max(least, given)) : usual;
  };
  const whole = (...about) => Math.round(number(...about));
  const usual = "own" in facts.places ? "own" : FIRST.surface;
  const surface = kept.surface in facts.places ? kept.surface : usual, known = facts.places[surface];
  const within = (x) => Math.max(-1e6, Math.min(1e6, x)); // NaN stays NaN
  const start = (kept.start ?? "").split(",").map(parseFloat).map(within), on = kept.rules?.split(",") ?? FIRST.rules;
  now.steps = whole("n", known.steps, 1, 5000);
  now.t = Math.min(whole("t", known.steps, 0, 5000), now.steps);
  now.focus = kept.focus in rules ? kept.focus : now.focus;
  averages.beta = number("beta", 0.9, 0.2, 0.995);
  averages.source = kept.source === "run" ? "run" : "year";
  $("o-beta").value = -Math.log10(1 - averages.beta);
  $("o-source").value = averages.source;
  renew({
    surface,
    start: start.length === 2 && start.every(Number.isFinite) ? start : [...known.start],
    rules: facts.order.filter((name) => on.includes(name)),
    lr: number("lr", FIRST.lr, 1e-4, 100),
    tuned: kept.tuned === "1",
    hyper: hyper_from(kept.hyper ?? ""),
    k: number("k", FIRST.k, 1, 1000),
    batch: whole("batch", FIRST.batch, 0, 1e4),
  });
}
