// The link: the settings that differ from those of a new page, and the steps that were made.
const MANY = 2000, LONG = 3000; // steps that a link may ask for, and milliseconds that they may take
const GROUPS = { hyper: "h", numbers: "s" }; // settings that are several numbers: h.lr, s.steps

function link_state() {
  const { run } = pg, found = {}, usual = { ...SETTINGS, ...begun("playground") };
  const text = (value) => (Array.isArray(value) ? value.join("-") || "none" : String(value));
  for (const [name, value] of Object.entries(run.settings))
    if (name in GROUPS) for (const [key, part] of Object.entries(value)) found[`${GROUPS[name]}.${key}`] = text(part);
    else if (text(value) !== text(usual[name])) found[name] = text(value);
  if (!pg.view.tests) found.tests = 0;
  if (pg.view.hard) found.hard = 1;
  if (run.losses.length) found.t = run.losses.length;
  return found;
}
function from_link(kept) {
  const hyper_own = { ...facts.own?.settings.hyper };
  const given = { ...SETTINGS, hyper: hyper_own, numbers: {}, ...begun("playground") };
  for (const [name, text] of Object.entries(kept)) {
    const [group, key] = name.split("."), long = Object.keys(GROUPS).find((long) => GROUPS[long] === group);
    const value = text === "true" || text === "false" ? text === "true" : Number(text);
    if (key && long && (long === "hyper" ? in_range(key, +value) : value > 0)) given[long] = { ...given[long], [key]: value };
    else if (name in SETTINGS && allowed(name, read(name, text))) given[name] = read(name, text);
  }
  const hyper = { ...rules[given.rule].hyper, centered: false };
  const known = { hyper, numbers: facts.schedules[given.schedule] ?? {} };
  for (const long in known)
    given[long] = Object.fromEntries(Object.entries(given[long]).filter(([key]) => key in known[long]));
  if (given.schedule) given.numbers = { ...facts.schedules[given.schedule], ...given.numbers };
  if (!SETS[given.data].classes) given.loss = "mse_loss";
  if (!("lr" in given.hyper)) given.hyper.lr = suggested(given.rule);
  Object.assign(pg.view, { hard: kept.hard === "1", tests: kept.tests !== "0" });
  for (const name of ["hard", "tests"]) $(`pg-${name}`).checked = pg.view[name];
  renew(given);
  pg.before = null; // a link begins, it compares nothing
  say_before(given);
  const asked = Math.min(Number(kept.t) || 0, MANY), end = performance.now() + LONG;
  while (pg.run.t < asked && !pg.run.broken && performance.now() < end) {
    step();
    if ((asked - pg.run.t) % 10 === 0) record();
  }
  pg.asked = asked;
}
function read(name, text) {
  const usual = SETTINGS[name];
  const part = name === "layers" ? Number : String;
  if (Array.isArray(usual)) return text === "none" ? [] : text.split("-").map(part);
  return typeof usual === "number" ? Number(text) : text;
}
// a link may be written by hand: what it cannot mean is left out
function allowed(name, value) {
  const whole = (x, low, high) => Number.isInteger(x) && x >= low && x <= high;
  if (name === "data") return value in SETS;
  if (name === "inputs") return value.length > 0 && value.every((input, i) => input in INPUTS && value.indexOf(input) === i);
  if (name === "layers") return value.length <= 6 && value.every((n) => whole(n, 1, 32));
  if (name === "n") return whole(value, 20, 2000);
  if (name === "batch") return whole(value, 0, 2000);
  if (name === "seed" || name === "start") return whole(value, 0, 2 ** 32 - 1);
  const { values, range } = KNOBS[name], list = typeof values === "function" ? values() : values;
  return list ? list.includes(value) || (["l1", "l2"].includes(name) && value >= 0) : value >= range[0] && value <= range[1];
}
