// The proof: runs that the library made, done again; and how many of them agree.
const ENOUGH = 1e-9; // how far a run may be from the library's after its 100 steps
function difference(ours, theirs) {
  const largest = Math.max(...theirs.map(Math.abs));
  const worst = Math.max(...ours.map((a, i) => Math.abs(a - theirs[i]) / largest));
  return Number.isNaN(worst) ? Infinity : worst;
}
function trained(name) {
  const own = { weights: "", test: 0.2, inputs: ["x1", "x2"], schedule: "", numbers: {} }; // what SETTINGS may have else
  const run = new Run({ ...own, ...facts.usual, ...facts.runs[name] });
  for (let t = 0; t < facts.every * facts.trainings[name].length; t++) run.step();
  return run.losses.filter((_, t) => (t + 1) % facts.every === 0);
}
function walked(name, rule) {
  const { backprop, gradients, data } = surfaces[name], arrays = Object.values(data).map(np.array);
  const optimizer = new Optimizer(rules[rule], { p: facts.places[name].start }, { lr: rate_on(name, rule) });
  for (let t = 0; t < facts.steps; t++) {
    const slopes = backprop(...optimizer.data, ...arrays)[1];
    optimizer.step({ p: gradients.map((name) => slopes[name]) });
  }
  return [...optimizer.data];
}
const flat = (x) => (typeof x === "number" ? [x] : [...x.data]);
const recomputed = (graph, inputs) => Object.values(graph.backprop(...inputs.map(np.array))[1]).flatMap(flat);
// a point, further arguments, and the value and slopes there, computed again
function sloped(name, row) {
  const { backprop, gradients } = surfaces[name], given = row.slice(0, -3), [loss, slopes] = backprop(...given);
  return [...given, loss, ...gradients.map((x) => slopes[x])];
}
// the losses of the test data after each epoch of a run that was made elsewhere
function watched_again(epochs) {
  const run = new Run(), known = epochs.filter(({ loss }) => loss !== undefined);
  const ours = known.map((frame) => (run.take(frame), run.measures().test.loss));
  return difference(ours, known.map(({ loss }) => loss));
}
async function prove() {
  const runs = [], free = () => new Promise((go) => setTimeout(go)); // so that the page answers meanwhile
  for (const name in facts.trainings) {
    runs.push([`${name}, training`, difference(trained(name), facts.trainings[name])]);
    await free();
  }
  for (const rule in rules) {
    $("verdict").textContent = `checking: ${runs.length} runs done again …`;
    await free();
    for (const name in facts.walks)
      runs.push([`${rule} on ${name}`, difference(walked(name, rule), facts.walks[name][rule])]);
    await free();
  }
  if (facts.own?.epochs) runs.push(["the epochs of the run", watched_again(facts.own.epochs)]);
  for (const [name, graph] of Object.entries(graphs))
    graph.checks.forEach(({ inputs, numbers }, i) =>
      runs.push([`graph ${name}, inputs ${i + 1}`, difference(recomputed(graph, inputs), numbers)]),
    );
  for (const [name, points] of Object.entries(facts.slopes))
    runs.push([`${name}, values and slopes`, Math.max(...points.map((row) => difference(sloped(name, row), row)))]);
  const rounding = Object.entries(facts.functions).map(([name, theirs]) => {
    const ours = np.tolist(np[name](np.array(facts.numbers)));
    return [name, ours.filter((a, i) => a !== theirs[i]).length, ours.length];
  });
  const wrong = runs.filter(([, d]) => !(d <= ENOUGH)), worst = Math.max(...runs.map(([, d]) => d));
  return { runs, wrong, worst, same: runs.filter(([, d]) => d === 0).length, rounding };
}
function show_proof({ runs, wrong, worst, same, rounding }) {
  const good = wrong.length === 0, others = rounding.filter(([, n]) => n);
  $("badge").className = `badge ${good ? "good" : "bad"}`;
  $("verdict").textContent = good
    ? `✓ ${runs.length} of ${runs.length} runs are the library's, to ${worst.toExponential(0)}`
    : `✗ ${wrong.length} of ${runs.length} runs are not the library's: free play is off`;
  const others_of = Object.keys(facts.trainings).length - Object.keys(rules).length;
  const lines = [
    `When this page opened it did ${runs.length} runs again that the library had made: every rule in a training, and ` +
      `on every surface, and ${others_of} trainings of other networks and data, ` +
      `${facts.steps} steps each; and each graph of Backprop, with four sets of inputs. ${same} agree to the last bit; the largest ` +
      `difference is ${worst.toExponential(1)} of the largest number.`,
    others.length
      ? "This browser rounds the last bit of some functions in another way than NumPy: " +
        others.map(([name, n, of]) => `${name} (${n} of ${of} numbers)`).join(", ") + "."
      : "All functions of this browser agree with NumPy's to the last bit.",
    ...wrong.slice(0, 12).map(([name, d]) => `${name}: differs by ${d.toExponential(1)}`),
  ];
  $("proof").replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  document.body.classList.toggle("proved", good);
  for (const tab of Object.values(tabs)) tab.ready(good);
}
