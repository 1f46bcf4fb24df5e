// Lessons: what one leaves out of the tab, where it begins, and a sentence that says what to do.
const LESSONS = {
  product: {
    title: "What a product hands back", hide: ["mode", "naive", "take"],
    text: "Press Step until all four shares are sent. Why does b's number stand on the edge from a? Then change b.",
    settings: { graph: "product" },
  },
  meeting: {
    title: "Where paths meet", hide: ["mode", "lines", "take"],
    text: "h is used three times. Say what d_h will be before each of its shares comes. When may h send?",
    settings: { graph: "meeting" },
  },
  order: {
    title: "Who sends next?", hide: ["choice", "naive", "take", "lines"],
    text: "Play the engine: click the node that sends next. A node may send when all its own shares have come.",
    settings: { graph: "meeting", mode: "next" },
  },
  softmax: {
    title: "Probabilities minus one", hide: ["mode", "naive", "take"],
    text: "Step to the gradient of z, and compare it with the probabilities. Then change the label.",
    settings: { graph: "softmax" },
  },
  recursion: {
    title: "Why not plain recursion", hide: ["mode", "lines", "step", "take"],
    text: "Five doublings: how many paths lead back? Count for one, two, three doublings, then look below.",
    settings: { graph: "doubling" },
  },
  quiz: {
    title: "By hand", hide: ["naive", "take", "lines"],
    text: "Work out each gradient on paper before you type it in. A hint names the rule, the next one the numbers.",
    settings: { graph: "neuron", mode: "quiz" },
  },
};
const PARTS = {
  choice: "Which graph", mode: "Who runs it", about: "What the graph is", step: "This step", lines: "The program",
  values: "Values and gradients", take: "Animation, Python", naive: "Plain recursion", tabs: "The other tabs",
};
