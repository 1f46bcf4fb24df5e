// A run that was made elsewhere (`tinygrad-edu train --watch`): its epochs, to scrub through.
const watched = facts.own?.epochs ?? [];
// the network after epoch k of the run, and the losses until then
function scrub(k) {
  if (!pg.run.is_own()) renew({ ...SETTINGS });
  play(false);
  const { run } = pg, { epoch, t } = watched[k];
  run.take(watched[k]);
  const losses = Array(t).fill(NaN); // of the batches, which nobody kept
  Object.assign(run, { frame: watched[k], order: [], at: null, before: null, losses });
  pg.history = seen_epochs().slice(0, k + 1);
  pg.latest = run.measures();
  $("pg-epoch-is").textContent = `${epoch} of ${watched.at(-1).epoch}`;
  refresh();
}
// the losses after each epoch, measured once
function seen_epochs() {
  const other = new Run();
  pg.watched ??= watched.map((frame) => {
    other.take(frame);
    const { train, test } = other.measures();
    return { t: frame.t, train: train.loss, test: test.loss };
  });
  return pg.watched;
}
// the script of a run; of one that was made elsewhere the command that made it
function told(run) {
  if (!watched.length || run.settings.data !== "own") return script(run);
  const begin = run.frame ? `epoch ${run.frame.epoch} of it` : "its first weights";
  const n = run.losses.length - (run.frame?.t ?? 0);
  return `${facts.own.command}\n# here: ${begin}${n ? `, and ${n} steps on the page, with new averages` : ""}`;
}
$("pg-watch").hidden = !watched.length;
$("pg-epoch-is").textContent = "0";
Object.assign($("pg-epoch"), { max: watched.length - 1, value: 0, oninput: () => scrub(Number($("pg-epoch").value)) });
