// Lessons: what one leaves out of the tab, where it begins, and a sentence that says what to do.
const LESSONS = {
  limit: {
    title: "How fast is too fast?", hide: ["rules", "tuned", "ravine", "numbers", "averages"],
    text: "Raise the learning rate until the path does not come to rest. Raise the condition: where is the limit now?",
    settings: { surface: "ravine", rules: "sgd", lr: "0.02", k: "10" },
  },
  momentum: {
    title: "How much momentum?", hide: ["tuned", "averages", "rules"],
    text: "Change the momentum of heavy ball, below. With which does it arrive first? Compare the formula above.",
    settings: { surface: "ravine", rules: "sgd,heavy_ball", lr: "0.09", k: "20", focus: "heavy_ball" },
  },
  adam: {
    title: "Adam by hand", hide: ["tuned", "averages", "ravine", "rules", "curves"],
    text: "Press Step, and work out the next m, v and p before you look. Why is the first step as long as the rate?",
    settings: { surface: "valley", rules: "adam", lr: "0.3", focus: "adam", t: "0" },
  },
  noise: {
    title: "What a small batch does", hide: ["numbers", "averages"],
    text: "Go from one digit in a batch to all of them. Which paths come to rest? Which rate do the noisy ones need?",
    settings: { surface: "neuron", rules: "sgd,momentum", lr: "2", batch: "1" },
  },
  bias: {
    title: "Why the average is corrected", hide: ["surface", "rules", "ravine", "race", "numbers", "out"],
    text: "Set β to 0.98. When is the average from 0 right? What does the correction divide by, at first and later?",
    settings: { beta: "0.9" },
  },
};
const PARTS = {
  surface: "Surface, rate", tuned: "Rates by hand", rules: "Rules", ravine: "Stability", race: "Map, time, curves", map: "Map", curves: "Curves",
  numbers: "Equation, numbers", averages: "Moving averages", out: "Python, picture", tabs: "The other tabs",
};
