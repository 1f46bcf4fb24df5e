// What the learner does alone: pick the node that sends next, or fill in gradients. view : what backprop.js keeps.
const tasks = (() => {
  const button = (text, onclick, className = "") => element("button", { type: "button", textContent: text, onclick, className });
  const answer = () => element("p", { className: "answer", role: "status" });

  // which node sends next? A node is ready when all its shares have come
  function next(view) {
    const said = answer(), score = element("span");
    let right = 0, wrong = 0;
    const sends = () => view.graph.shares[view.at]?.node;
    const tell = () => (score.textContent = `${words.counted(right, "node")} right, ${wrong} too early or in vain.`);
    const box = [element("p", {}, "Which node sends its gradient to its arguments next? Click it, or go to it with the arrow keys and press Enter. "), said, score];
    function chosen(kind, i) {
      if (kind !== "node" || !sends()) return;
      const { name } = view.graph.nodes[i], problem = words.waits(view.graph, name, view.at);
      if (!problem && name === sends()) {
        right++;
        const shares = words.sent_by(view.graph, name);
        view.go(view.at + shares.length, true);
        const done = sends() ? "" : " That was the last one: the backward pass is done.";
        said.textContent = `✓ ${name} had all its shares, and sends to ${[...new Set(shares.map((share) => share.to))].join(" and ")}.${done}`;
      } else if (problem) {
        wrong++;
        said.textContent = `✗ ${problem}`;
      } else said.textContent = `${name} is ready too, and any order in which only ready nodes send is right. The engine goes from the youngest to the oldest: ${sends()} was computed later.`;
      tell();
    }
    tell();
    return { box, chosen, begin: () => view.go(0) };
  }

  // each gradient is asked for when its last share is about to come
  function quiz(view) {
    const { graph } = view, asked = graph.shares.flatMap(({ use, uses }, i) => (use === uses ? [i] : []));
    const field = element("input", { type: "number", step: "any" }), label = element("label"), said = answer(), score = element("p");
    const form = element("form", { className: "controls" }), show = button("Show me", reveal), hints = element("div");
    let turn = 0, hinted = 0, right = 0, missed = false;
    form.append(label, element("button", { type: "submit", className: "main", textContent: "Check" }), button("Hint", hint), show);
    form.onsubmit = (event) => (event.preventDefault(), check());
    const share = () => graph.shares[asked[turn]], value = () => flat(view.now[`d_${share().to}`]);
    const place = () => (turn * 7) % value().length;
    function ask() {
      if (turn === asked.length) {
        form.hidden = true;
        view.asked = "";
        said.textContent = `All ${asked.length} gradients are there.`;
        return tell();
      }
      const shape = np.shape(view.now[`d_${share().to}`]), k = place(), wide = shape.at(-1);
      const where = value().length > 1 ? `[${shape.length > 1 ? `${Math.floor(k / wide)}, ` : ""}${k % wide}]` : "";
      label.replaceChildren(`d_${share().to}${where} =`, field);
      Object.assign(field, { value: "" });
      hints.replaceChildren();
      [hinted, missed, form.hidden] = [0, false, false];
      view.asked = share().to;
      view.go(asked[turn]);
      tell();
    }
    const tell = () => (score.textContent = `Question ${Math.min(turn + 1, asked.length)} of ${asked.length}; ${right} right at once. Three digits are enough.`);
    function check() {
      const wanted = value()[place()], given = field.valueAsNumber;
      if (!(Math.abs(given - wanted) <= 0.006 * Math.abs(wanted))) {
        missed = true;
        const sign = Math.abs(given + wanted) <= 0.006 * Math.abs(wanted) && wanted ? " The sign is wrong." : "";
        return (said.textContent = `✗ ${short(given)} is not what the program has.${sign} A hint says the rule.`);
      }
      right += !missed && !hinted;
      said.textContent = `✓ d_${share().to} = ${words.brief(view.now[`d_${share().to}`])}.`;
      onward();
    }
    function onward() {
      const after = asked[turn++] + 1;
      ask();
      if (turn === asked.length) view.go(after, true);
      field.focus();
    }
    function reveal() {
      said.textContent = `d_${share().to} = ${words.brief(view.now[`d_${share().to}`])}.`;
      onward();
    }
    // first the rules by name, then the numbers
    function hint() {
      const shares = words.sent_to(graph, share().to), numbers = hinted++ > 0;
      const lines = shares.map((one) => {
        const from = words.node_of(graph, one.node), formula = words.formula_of(one);
        const rule = `${one.node} = ${from.origin} (${from.rule}) sends ${formula}`;
        return numbers ? `${rule} = ${words.chain(words.filled(formula, view.now), words.brief(view.now[one.share]))}` : rule;
      });
      if (shares.length > 1) lines.push(`d_${share().to} is the sum of these ${shares.length} shares.`);
      hints.replaceChildren(...lines.map((line) => element("p", { className: "mono", textContent: line })));
    }
    return { box: [form, said, hints, score], chosen() {}, begin: ask };
  }
  return { next, quiz };
})();
