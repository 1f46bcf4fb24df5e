// The run before: its curve stays for comparison, as long as both learn the same data by the same loss.
const ALIKE = ["data", "n", "noise", "test", "seed", "loss"];
const as_text = (value) => JSON.stringify(value ?? null);
function keep_before(settings) {
  const { run, history } = pg;
  if (!run) return;
  const other = Object.keys(settings).filter((name) => as_text(run.settings[name]) !== as_text(settings[name]));
  if (ALIKE.some((name) => other.includes(name))) pg.before = null;
  else if (run.losses.length && other.length) pg.before = { history, settings: run.settings };
  say_before(settings);
}
// in which settings the two differ
function say_before(settings) {
  const { before } = pg, told = (value) => [value].flat().join("-") || "none";
  const differ = (name) => as_text(before.settings[name]) !== as_text(settings[name]);
  const say = (name) => {
    const value = before.settings[name];
    return name === "hyper" || name === "numbers" ? numbers_of(value) : `${name} ${told(value)}`;
  };
  const words = before ? Object.keys(settings).filter(differ).map(say).filter(Boolean).join(", ") : "";
  $("pg-before").textContent = words && `┈ training data, the run before: ${words}`;
}
const numbers_of = (given) => Object.entries(given).map(([name, value]) => `${name} ${value}`).join(", ");
