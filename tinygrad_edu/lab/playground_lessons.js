// Lessons: what one needs of the page, where it begins, and a sentence that says what to do.
const LESSONS = {
  step: {
    title: "One step", hide: ["data", "layers", "python", "model", "inputs", "batch", "l2", "schedule"],
    text: "Press “Next line” until the batch is done. Which lines need X, and which need only what came before?",
    settings: { data: "xor", layers: [3], rule: "sgd", hyper: { lr: 0.5 }, batch: 4, n: 100 },
  },
  inputs: {
    title: "Inputs instead of layers", hide: ["lines", "layers", "python", "model", "schedule", "l2"],
    text: "No hidden layer, two circles. With which inputs is a straight line enough? Press their tiles, then Play.",
    settings: { data: "circles", layers: [], rule: "sgd", hyper: { lr: 0.5 } },
  },
  xor: {
    title: "Why a hidden layer", hide: ["lines", "python", "schedule", "l2", "inputs"],
    text: "XOR has no straight boundary. Play, then add a layer with + and play again. How few units are enough?",
    settings: { data: "xor", layers: [], activation: "tanh", rule: "adam", hyper: { lr: 0.05 } },
  },
  dead: {
    title: "Dead units", hide: ["data", "lines", "python", "schedule", "l2", "inputs"],
    text: "A rate too high for ReLU. Play, and look at the last column of “Layer by layer”. Which activation helps?",
    settings: { data: "moons", layers: [8, 8], activation: "relu", rule: "sgd", hyper: { lr: 5 } },
  },
  overfit: {
    title: "Overfitting", hide: ["lines", "schedule", "inputs"],
    text: "Few samples, much noise. When does the loss of the test data rise again? Try l2 and dropout against it.",
    settings: { data: "moons", n: 50, noise: 0.35, test: 0.5, layers: [8, 8], hyper: { lr: 0.02 }, batch: 0 },
  },
  batch: {
    title: "What a batch changes", hide: ["lines", "layers", "python", "inputs", "l2", "schedule", "model"],
    text: "Play some epochs with batches of 1. Then choose 16, then all: the curve of the run before stays. \
Which one shakes, which one needs the fewest epochs, which one the fewest steps?",
    settings: { data: "moons", noise: 0.2, rule: "sgd", hyper: { lr: 0.2 }, batch: 1 },
  },
  quicker: {
    title: "Is Adam quicker?", hide: ["lines", "layers", "python", "inputs", "l2", "schedule", "model"],
    text: "Play 20 epochs of SGD. Choose Adam, and play again: the curve of the run before stays. \
Then give SGD the rate 1. Was it the rule, or the rate?",
    settings: { data: "circles", layers: [6], rule: "sgd", hyper: { lr: 0.02 } },
  },
};
// what a lesson may leave out
const PARTS = {
  lead: "First sentence", play: "Play", step: "One batch", epoch: "One epoch", reset: "Reset", speed: "Speed",
  data: "All about the data", n: "Samples", noise: "Noise", test: "Held out to test", batch: "Batch",
  model: "All about the network", depth: "Layers, units", activation: "Activation", weights: "First weights",
  dropout: "Dropout", loss: "Loss", inputs: "Other inputs", views: "Test data, only the answer", closer: "Look closer",
  rule: "The rule", lr: "Learning rate", l2: "l1 and l2", schedule: "Schedule", lines: "What just happened",
  layers: "Layer by layer", python: "The Python of this", tabs: "The other tabs",
};
