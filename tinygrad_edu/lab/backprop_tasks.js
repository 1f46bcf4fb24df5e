// What the learner does alone: pick the node that sends next, or fill in gradients. view : what backprop.js keeps.
const answer = () => element("p", { className: "answer", role: "status" });

const tasks = {
  // which node sends next? A node is ready when all its shares have come
  next(view) {
    const { graph } = view, said = answer(), score = element("span"), sends = () => graph.shares[view.at]?.node;
    const question = "Which node sends its gradient to its arguments next? Click it, or press Enter on it. ";
    let right = 0, wrong = 0;
    const tell = () => (score.textContent = `${words.counted(right, "node")} right, ${wrong} too early or in vain.`);
    function sent(name) {
      const shares = words.sent_by(graph, name), to = [...new Set(shares.map((share) => share.to))].join(" and ");
      view.go(view.at + shares.length, true);
      const end = sends() ? "" : " That was the last one: the backward pass is done.";
      return `✓ ${name} had all its shares, and sends to ${to}.${end}`;
    }
    function chosen(kind, i) {
      if (kind !== "node" || !sends()) return;
      const { name } = graph.nodes[i], problem = words.waits(graph, name, view.at);
      if (problem) {
        wrong++;
        said.textContent = `✗ ${problem}`;
      } else if (name === sends()) {
        right++;
        said.textContent = sent(name);
      } else said.textContent = `${name} is ready, too: ${ANY_ORDER} ${sends()} was computed later.`;
      tell();
    }
    tell();
    return { box: [element("p", { textContent: question }), said, score], chosen, begin: () => view.go(0) };
  },
  quiz: (view) => new Quiz(view),
};
const ANY_ORDER =
  "any order in which only ready nodes send is right. The engine takes the youngest first, and that is another one:";
const EXACT = 0.006; // how far an answer may be off: three digits are enough

// each gradient is asked for when its last share is about to come
class Quiz {
  constructor(view) {
    const button = (textContent, onclick) => element("button", { type: "button", textContent, onclick });
    const check = element("button", { type: "submit", className: "main", textContent: "Check" });
    Object.assign(this, { view, graph: view.graph, turn: 0, right: 0, hints: 0, missed: false });
    this.asked = this.graph.shares.flatMap(({ use, uses }, i) => (use === uses ? [i] : []));
    this.field = element("input", { type: "number", step: "any" });
    this.label = element("label");
    [this.said, this.score, this.hint_lines] = [answer(), element("p"), element("div")];
    this.form = element("form", { className: "controls" }, this.label, check);
    this.form.append(button("Hint", () => this.hint()), button("Show me", () => this.onward(`${this.solution()}.`)));
    this.form.onsubmit = (event) => (event.preventDefault(), this.check());
    this.box = [this.form, this.said, this.hint_lines, this.score];
  }
  begin() {
    this.ask();
  }
  chosen() {}
  get share() {
    return this.graph.shares[this.asked[this.turn]];
  }
  // the gradient that is asked for, as a list, and the place in it
  get values() {
    return flat(this.view.now[`d_${this.share.to}`]);
  }
  get place() {
    return (this.turn * 7) % this.values.length;
  }
  solution() {
    return `d_${this.share.to} = ${words.brief(this.view.now[`d_${this.share.to}`])}`;
  }
  ask() {
    const done = this.turn === this.asked.length, { view } = this;
    this.form.hidden = done;
    this.hint_lines.replaceChildren();
    [this.hints, this.missed, view.asked] = [0, false, done ? "" : this.share.to];
    if (done) this.said.textContent = `All ${this.asked.length} gradients are there.`;
    else this.label.replaceChildren(`d_${this.share.to}${this.where()} =`, this.field);
    this.field.value = "";
    view.go(done ? this.graph.shares.length : this.asked[this.turn], done);
    const question = `Question ${Math.min(this.turn + 1, this.asked.length)} of ${this.asked.length}`;
    this.score.textContent = `${question}; ${this.right} right at once. Three digits are enough.`;
  }
  // the index of the number that is asked for
  where() {
    const shape = np.shape(this.view.now[`d_${this.share.to}`]), wide = shape.at(-1), k = this.place;
    if (this.values.length === 1) return "";
    return `[${shape.length > 1 ? `${Math.floor(k / wide)}, ` : ""}${k % wide}]`;
  }
  check() {
    const wanted = this.values[this.place], given = this.field.valueAsNumber;
    const near = (a, b) => Math.abs(a - b) <= EXACT * Math.abs(b);
    if (!Number.isFinite(given)) return void (this.said.textContent = "Write a number first, such as −1.5 or 2e-3.");
    if (near(given, wanted)) {
      this.right += !this.missed && !this.hints;
      return this.onward(`✓ ${this.solution()}.`);
    }
    this.missed = true;
    const sign = near(-given, wanted) ? " The sign is wrong." : "";
    this.said.textContent = `✗ ${short(given)} is not what the program has.${sign} A hint says the rule.`;
  }
  onward(text) {
    this.said.textContent = text;
    this.turn++;
    this.ask();
    this.field.focus();
  }
  // first the ops and their rules, then the numbers
  hint() {
    const { graph, view, share } = this, shares = words.sent_to(graph, share.to), numbers = this.hints++ > 0;
    const lines = shares.map((one) => {
      const { origin, rule } = words.node_of(graph, one.node), formula = words.formula_of(one);
      const sent = numbers ? words.worked(formula, view.now, view.now[one.share]) : formula;
      return `${one.node} = ${origin} (${rule}) sends ${sent}`;
    });
    if (shares.length > 1) lines.push(`d_${share.to} is the sum of these ${shares.length} shares.`);
    this.hint_lines.replaceChildren(...lines.map((textContent) => element("p", { className: "mono", textContent })));
  }
}
