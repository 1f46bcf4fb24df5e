// The Python of a race: a script that prints where each rule is at the step that is shown.
function python(x) {
  if (typeof x === "boolean") return x ? "True" : "False";
  return Number.isInteger(x) && Math.abs(x) < 1e15 ? `${x}.0` : String(x);
}
function loss_in_python({ surface, k }) {
  if (surface === "ravine") return [`loss = lambda x, y: (x**2 + ${python(k)} * y**2) / 2`];
  if (surface !== "own") return [`loss = tg.surfaces.SURFACES["${surface}"].f`];
  const text = JSON.stringify(facts.places.own.title), loss = `loss = lambda x, y: evaluate(${text}, {"x": x, "y": y})`;
  return ["from tinygrad_edu.explain.formula import evaluate", "", loss];
}
const DRAWN = [
  "",
  "",
  "def numbers(seed):  # as the page draws them: a linear congruential generator",
  "    while True:",
  "        seed = (seed * 1664525 + 1013904223) % 2**32",
  "        yield seed / 2**32",
  "",
];
function python_of(race, t) {
  const { plan, ground } = race, few = race.rows(0) !== null;
  const runs = race.runners.map((runner) => {
    const hyper = Object.entries(runner.hyper).map(([name, value]) => `"${name}": ${python(value)}`);
    return `    (tg.${rules[runner.name].name}, {${hyper.join(", ")}}, ${where(runner, t).last}),`;
  });
  const batch = `        rows = [int(next(drawn) * ${ground.size}) for _ in range(${plan.batch})]`;
  return [
    `# The optimizers of the tinygrad_edu lab on ${ground.about.title}: rule, hyper-parameters, steps`,
    "import tinygrad_edu as tg",
    ...loss_in_python(plan),
    "runs = [",
    ...runs,
    "]",
    ...(few ? DRAWN : []),
    "",
    "for rule, hyper, steps in runs:",
    `    p = tg.Tensor([${plan.start.map(python).join(", ")}], requires_grad=True)`,
    "    optimizer = rule(p, **hyper)",
    ...(few ? ["    drawn = numbers(1)"] : []),
    "    for _ in range(steps):",
    "        optimizer.zero_grad()",
    ...(few ? [batch] : []),
    few ? "        tg.surfaces.neuron(p[0], p[1], rows).backward()" : "        loss(p[0], p[1]).backward()",
    "        optimizer.step()",
    "    print(rule.__name__, *p.numpy().tolist())",
    "",
  ].join("\n");
}
