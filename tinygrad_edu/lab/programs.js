// The programs of the networks, out of lines that they share. A line is computed from the values that came before it.
const SECTIONS = ["forward", "loss", "slope", "backward"]; // the network, its loss, the way back in the loss and in it
class Program {
  static of(depth, activation, loss, dropout) {
    const name = depth ? `${depth} ${activation} ${loss}${dropout ? " dropout" : ""}` : `0 - ${loss}`;
    return new Program(name);
  }
  constructor(name) {
    const [head, ...runs] = book.programs[name];
    const [inputs, helpers] = book.heads[head];
    Object.assign(this, { inputs, helpers: book.helpers[helpers] });
    this.params = this.gradients = this.inputs.filter((name) => /^[Wb]\d*$/.test(name));
    this.masks = this.inputs.filter((name) => name.startsWith("mask"));
    runs.forEach((run, k) => (this[SECTIONS[k]] = book.runs[run].map((i) => new Line(i, SECTIONS[k]))));
    this.lines = SECTIONS.flatMap((section) => this[section]);
  }
  // the text of program.source, of which `lines` are the assignments
  get source() {
    const shown = (...sections) => sections.flatMap((section) => this[section].map(({ text }) => `    ${text}`));
    const results = this.gradients.map((name) => `"${name}": d_${name}`).join(", ");
    const head = [`def backprop(${this.inputs.join(", ")}):`, "    # forward", ...shown("forward", "loss")];
    const tail = ["", "    # backward", ...shown("slope", "backward"), `    return loss, {${results}}`, ""];
    return [this.helpers, "", "", ...head, ...tail].join("\n");
  }
  // the outputs and all that came before them, by name; sections: how far to go
  values(given, sections = ["forward"]) {
    for (const section of sections) for (const line of this[section]) line.run(given);
    return given;
  }
}
class Line {
  constructor(number, section) {
    const [target, compute] = book.lines[number];
    Object.assign(this, { target, compute, section, text: book.texts[number] });
  }
  run(values) {
    values[this.target] = this.compute(values);
  }
}
