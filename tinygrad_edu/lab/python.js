// A run as Python: a script that makes the same numbers with the library.
const written = (values) => Object.entries(values).map(([name, value]) => `, ${name}=${python_of(value)}`).join("");
const python_of = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : String(value));

function data_lines({ data, n, noise, test, seed, inputs, loss }) {
  const { classes } = SETS[data], standard = inputs.join() === "x1,x2";
  if (data === "own") return own_lines(standard, inputs, seed).concat(one_hot(classes, loss));
  if (data === "digits") {
    const [, train, , rest] = facts.digits;
    return [
      "X_train, y_train, X_test, y_test = tg.data.digits()",
      `X_train, y_train = X_train[:${train.length}], y_train[:${train.length}]`,
      `X_test, y_test = X_test[:${rest.length}], y_test[:${rest.length}]`,
    ].concat(one_hot(classes, loss));
  }
  const heights = { plane: "(X[:, :1] + X[:, 1:]) / 2", hills: "np.sin(3 * X[:, :1]) * np.sin(3 * X[:, 1:])" };
  const plane = [
    `rng = np.random.default_rng(${seed})`,
    `X = rng.uniform(-1, 1, (${n}, 2))`,
    `y = ${heights[data]} + ${noise} * rng.standard_normal((${n}, 1))`,
  ];
  const lines = data in heights ? plane : [`X, y = tg.data.${data}(${n}, noise=${noise}, rng=${seed})`];
  if (data !== "regression" && !standard) {
    const columns = inputs.map((name) => INPUTS[name].python).join(", ");
    lines.push("x1, x2 = X.T", `X = np.stack([${columns}], axis=1)`);
  }
  lines.push(`X_train, y_train, X_test, y_test = tg.data.split(X, y, test_share=${test}, rng=${seed})`);
  return lines.concat(one_hot(classes, loss));
}
// X, y and model are those that the page was made for
function own_lines(standard, inputs, seed) {
  const lines = ["# X, y and model: those that tg.lab was given"];
  const columns = inputs.map((name) => INPUTS[name].python).join(", ");
  if (!standard) lines.push("x1, x2 = X.T", `X = np.stack([${columns}], axis=1)`);
  return [...lines, `X_train, y_train, X_test, y_test = tg.data.split(X, y, rng=${seed})`];
}
function one_hot(classes, loss) {
  if (!classes || loss === "cross_entropy") return [];
  return [`y_train, y_test = np.eye(${classes})[y_train], np.eye(${classes})[y_test]`];
}
function model_lines({ activation, weights, dropout, start }, sizes) {
  const kind = facts.names[activation];
  if (!weights && kind) {
    const more = dropout ? `, dropout=${dropout}` : "";
    return [`model = tg.mlp([${sizes.join(", ")}], activation="${activation}"${more}, rng=${start})`];
  }
  const layers = sizes.slice(1).flatMap((size, k) => [
    `tg.Linear(${sizes[k]}, ${size}, init=tg.init.${weights || facts.activations[activation]}, rng=rng)`,
    ...(k < sizes.length - 2 ? [...(kind ? [`tg.${kind}()`] : []), ...(dropout ? [`tg.Dropout(${dropout}, rng=rng)`] : [])] : []),
  ]);
  const rng = `rng = np.random.default_rng(${start})`;
  return [rng, "model = tg.Sequential(", ...layers.map((line) => `    ${line},`), ")"];
}
function rate_text({ schedule, numbers }, lr) {
  return schedule ? `tg.schedules.${schedule}(${lr}${written(numbers)})` : String(lr);
}
function script(run) {
  const { settings, sizes, changes } = run, { rule, batch, loss, start, l1, l2 } = settings, steps = run.losses.length;
  const { lr, ...others } = settings.hyper, size = batch || "None";
  const pulled = l1 ? `        optimizer.buffer.grad[:] += ${l1} * np.sign(optimizer.buffer.data)\n` : "";
  const changed = changes.map(([t, text]) => `        if len(losses) == ${t}:\n            ${text}`);
  return `"""A run of the lab's playground: its ${steps} steps, number by number."""

import numpy as np

import tinygrad_edu as tg

${[...data_lines(settings), ...(run.is_own() ? [] : model_lines(settings, sizes))].join("\n")}
optimizer = tg.${rules[rule].name}(model, lr=${rate_text(settings, lr)}${written(others)}${l2 ? `, l2=${l2}` : ""})
batches = tg.batches(X_train, y_train, batch_size=${size}, rng=${start})

losses = []
while len(losses) < ${steps}:
    for X, y in batches:
${[...changed, ""].join("\n")}        optimizer.zero_grad()
        loss = tg.${loss}(model(X), y)
        loss.backward()
${pulled}        optimizer.step()
        losses.append(loss.item())
        if len(losses) == ${steps}:
            break

model.eval()
test_loss = tg.${loss}(model(X_test), y_test).item()
print(f"loss of the last batch {losses[-1] if losses else float('nan'):.6f}, of the test data {test_loss:.6f}")
`;
}
