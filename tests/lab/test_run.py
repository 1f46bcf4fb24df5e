"""The playground's runs, made by Node, beside the library: the script that the page hands out does each again."""

import json

import numpy as np
import pytest
from node import LAB, needs_node, node

import tinygrad_edu as tg
from tinygrad_edu.lab import emit, programs, runs, settings
from tinygrad_edu.program.javascript import functions

STEPS = 60
RUN = """
answer(D.runs.map(({ given, changes = [] }) => {
  const run = new Run(given);
  for (let t = 0; t < D.steps; t++) {
    for (const [when, place, value] of changes) {
      const write = () => (run.optimizer.data[place] = value);
      if (when === t) run.change(`optimizer.buffer.data[${place}] = ${value}`, write);
    }
    run.step();
  }
  return { losses: run.losses, test: run.measures().test, script: script(run), data: [...run.optimizer.data] };
}));
"""


@pytest.fixture(scope="module")
def scripts():
    """What the page has in front of a run."""
    facts = f"const facts = {json.dumps({'seed': 0, **settings.settings()})};"
    own = [(LAB / f"{name}.js").read_text("utf-8") for name in ("random", "samples", "programs", "run", "python")]
    pull = functions(runs.add_l1)
    return [emit.rules(), pull, f"const book = {programs.book()};", settings.rates(), settings.variants(), facts, *own]


RUNS = [
    {},
    {"data": "circles", "layers": [], "inputs": ["x1x1", "x2x2"], "rule": "sgd", "hyper": {"lr": 0.3}, "batch": 0},
    {
        "data": "spirals",
        "layers": [8, 8],
        "inputs": ["x1", "x2", "sin1", "sin2", "x1x2"],
        "activation": "gelu",
        "n": 201,
    },
    {"data": "xor", "layers": [3] * 6, "activation": "silu", "batch": 1, "weights": "he_uniform", "seed": 7},
    {"data": "blobs", "layers": [5], "activation": "relu", "loss": "mse_loss", "test": 0.5, "start": 3, "noise": 1},
    {"data": "plane", "layers": [2], "loss": "mse_loss", "activation": "leaky_relu", "dropout": 0.25, "batch": 7},
    {
        "data": "regression",
        "layers": [6, 4],
        "loss": "mse_loss",
        "rule": "rmsprop",
        "hyper": {"lr": 0.01, "momentum": 0.5},
    },
    {"data": "digits", "layers": [16], "activation": "softplus", "dropout": 0.5, "l1": 0.002, "l2": 0.001, "batch": 32},
    {"data": "hills", "layers": [4, 3], "loss": "mse_loss", "rule": "sm3", "l1": 0.01, "batch": 32},
    {
        "rule": "lamb",
        "hyper": {"lr": 0.02, "weight_decay": 0.1},
        "schedule": "step",
        "numbers": {"steps": 7, "factor": 0.5},
    },
    {
        "layers": [4, 4],
        "dropout": 0.5,
        "weights": "glorot_normal",
        "rule": "adamw",
        "hyper": {"lr": 0.003, "beta1": 0.5},
    },
    {"rule": "momentum", "hyper": {"lr": 0.1, "bias_correction": True}, "schedule": "cosine", "numbers": {"steps": 40}},
    {"rule": "rmsprop", "hyper": {"rho": 0.9, "momentum": 0.5, "centered": True}, "layers": [3]},
    {
        "rule": "lion",
        "hyper": {"lr": 0.01},
        "schedule": "step",
        "numbers": {"steps": 7, "factor": 0.5},
        "activation": "elu",
    },
    {
        "rule": "muon",
        "layers": [8, 8],
        "hyper": {"lr": 0.02, "momentum": 0.9},
        "schedule": "cosine",
        "numbers": {"steps": 40},
    },
    {"rule": "shampoo", "data": "blobs", "loss": "mse_loss", "hyper": {"lr": 0.1, "eps": 0.01}, "l2": 0.01},
    # eps: where nothing has a slope, SOAP divides a rounding by it
    {"rule": "soap", "layers": [5, 4], "loss": "mse_loss", "hyper": {"lr": 0.01, "eps": 1e-4, "every": 7}},
    {"rule": "dog", "l2": 0.01, "layers": [6]},
    {"rule": "dadapt_adam", "hyper": {"lr": 0.1, "d": 0.001}, "l1": 0.001},
    {"rule": "prodigy", "activation": "linear", "dropout": 0.25, "data": "circles", "batch": 7},
    {"activation": "linear", "weights": "he_uniform", "data": "plane", "loss": "mse_loss", "layers": [3, 2, 2]},
    {"rule": "rprop", "batch": 0, "schedule": "linear_warmup", "numbers": {"steps": 5}, "activation": "sigmoid"},
]
SCHEDULED = [
    {"schedule": name, "numbers": numbers, "layers": [2], "rule": "nadam"} for name, numbers in settings.RATES.items()
]


@needs_node
def test_the_script_of_a_run_does_its_steps_again(tmp_path, scripts):
    given = [{"given": given} for given in [*RUNS, *SCHEDULED]] + [
        {"given": {}, "changes": [[10, 3, 0.5], [20, 7, -2]]}
    ]
    for made in node(tmp_path, *scripts, RUN, runs=given, steps=STEPS):
        again = {}
        exec(made["script"], again)
        np.testing.assert_allclose(made["losses"], again["losses"], 1e-9, err_msg=made["script"])
        np.testing.assert_allclose(made["test"]["loss"], again["test_loss"], 1e-9, err_msg=made["script"])
        np.testing.assert_allclose(made["data"], again["optimizer"].buffer.data, 1e-9, 1e-9, err_msg=made["script"])


@needs_node
def test_random_numbers_are_those_of_numpy(tmp_path, scripts):
    text = """answer(D.seeds.map((seed) => { const rng = new Rng(seed);
    return [drawn(2000, () => rng.normal()), rng.permutation(300), rng.uniform(-2, 3),
    rng.permutation(7), rng.random()]; }));"""
    seeds = [0, 1, 2**31, 2**32 - 1]
    for seed, made in zip(seeds, node(tmp_path, *scripts, text, seeds=seeds), strict=True):
        rng = np.random.default_rng(seed)
        np.testing.assert_allclose(made[0], rng.standard_normal(2000), 1e-15)
        assert made[1:] == [
            rng.permutation(300).tolist(),
            rng.uniform(-2, 3),
            rng.permutation(7).tolist(),
            rng.random(),
        ]


@needs_node
def test_a_program_on_the_page_has_the_text_of_program_source(tmp_path, scripts):
    chosen = [(0, "tanh", "cross_entropy", 0), (2, "gelu", "mse_loss", 0.5), (3, "relu", "cross_entropy", 0)]
    text = "answer(D.chosen.map((each) => Program.of(...each).source));"
    for (depth, activation, loss, dropout), source in zip(
        chosen, node(tmp_path, *scripts, text, chosen=chosen), strict=True
    ):
        model = tg.mlp([2, *[4] * depth, 3], activation=activation, dropout=dropout, rng=0)

        def compute(X, y, model=model, loss=loss):
            outputs = model(X)
            outputs.name = "outputs"
            return getattr(tg, loss)(outputs, y)

        y = [0, 1, 2, 0] if loss == "cross_entropy" else np.linspace(-2, 2, 12).reshape(4, 3)
        assert source == tg.trace(compute, np.random.default_rng(0).standard_normal((4, 2)), y).source


EVERY = """answer(D.runs.map(({ name, inputs }) => {
  const program = new Program(name), values = Object.fromEntries(inputs.map(([key, x]) => [key, np.array(x)]));
  program.values(values, SECTIONS);
  return [program.source, values.loss, program.gradients.map((key) => np.tolist(values[`d_${key}`]))];
}));"""


def inputs_at(program, rng, n=5):
    """Inputs of a program at sizes that it was not traced with."""
    widths = [3, *rng.integers(1, 6, len(program.gradients) // 2 - 1).tolist(), 2]
    y = rng.integers(0, 2, n) if program.inputs["y"].ndim == 1 else rng.standard_normal((n, 2))
    given = {"X": rng.standard_normal((n, 3)), "y": y}
    for name in list(program.inputs)[2:]:
        k = int(name[-1]) if name[-1].isdigit() else 1
        if name.startswith("mask"):
            given[name] = rng.choice([0.0, 2.0], (n, widths[k]))
        else:
            given[name] = rng.standard_normal(widths[k - 1 : k + 1] if name.startswith("W") else widths[k])
    return given


@needs_node
@pytest.mark.slow
def test_every_program_has_the_text_and_at_other_sizes_the_numbers_of_the_library(tmp_path, scripts):
    made, rng = dict(programs.networks()), np.random.default_rng(0)
    given = {name: inputs_at(program, rng) for name, program in made.items()}
    runs = [{"name": name, "inputs": [[key, x.tolist()] for key, x in given[name].items()]} for name in made]
    found = node(tmp_path, *scripts, EVERY, runs=runs)
    for (name, program), (source, loss, gradients) in zip(made.items(), found, strict=True):
        assert source == program.source, name
        expected, theirs = program(**given[name])
        np.testing.assert_allclose(loss, expected, 1e-12, err_msg=name)
        for key, mine in zip(program.gradients, gradients, strict=True):
            np.testing.assert_allclose(mine, theirs[key], 1e-11, 1e-13, err_msg=f"{name} {key}")
