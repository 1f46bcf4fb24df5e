// Lessons: what one needs of the page, where it begins, and a sentence that says what to do.
const LESSONS = {
  step: {
    title: "One step", hide: ["data", "layers", "python", "model", "inputs", "batch", "l1", "l2", "schedule"],
    text: "Press “Next line” until the batch is done. Which lines need X, and which need only what came before?",
    settings: { data: "xor", layers: [3], rule: "sgd", hyper: { lr: 0.5 }, batch: 4, n: 100 },
  },
  inputs: {
    title: "Inputs instead of layers", hide: ["lines", "layers", "python", "model", "schedule", "l1", "l2"],
    text: "No hidden layer, two circles. With which inputs is a straight line enough? Press their tiles, then Play.",
    settings: { data: "circles", layers: [], rule: "sgd", hyper: { lr: 0.5 } },
  },
  xor: {
    title: "Why a hidden layer", hide: ["lines", "python", "schedule", "l1", "l2", "inputs"],
    text: "XOR has no straight boundary. Play, then add a layer with + and play again. How few units are enough?",
    settings: { data: "xor", layers: [], activation: "tanh", rule: "adam", hyper: { lr: 0.05 } },
  },
  dead: {
    title: "Dead units", hide: ["data", "lines", "python", "schedule", "l1", "l2", "inputs"],
    text: "A rate too high for ReLU. Play, and look at the last column of “Layer by layer”. Which activation helps?",
    settings: { data: "moons", layers: [8, 8], activation: "relu", rule: "sgd", hyper: { lr: 5 } },
  },
  overfit: {
    title: "Overfitting", hide: ["lines", "schedule", "inputs"],
    text: "Few samples, much noise. When does the loss of the test data rise again? Try l2 and dropout against it.",
    settings: { data: "moons", n: 50, noise: 0.35, test: 0.5, layers: [8, 8], hyper: { lr: 0.02 }, batch: 0 },
  },
};
function begin_lesson(name) {
  const lesson = LESSONS[name];
  pg.lesson = lesson ? { name, ...lesson } : null;
  const { hide = [], title, text } = lesson ?? {};
  for (const part of document.querySelectorAll("#playground [data-part]"))
    part.hidden = hide.includes(part.dataset.part);
  document.querySelector(".pg-bench").classList.toggle("two", hide.includes("data"));
  $("pg-model-knobs").hidden = hide.includes("model");
  $("pg-lesson").hidden = !lesson;
  if (lesson) $("pg-lesson").replaceChildren(element("b", { textContent: `${title}. ` }), text);
  return lesson?.settings ?? {};
}
