// Lessons: what one leaves out of a tab, where it begins, and what it says. A teacher may change each.
const teaching = {}; // by tab: { lesson: its name, hide: parts that are left out, task: a teacher's own }
const is_out = (tab, part) => Boolean(teaching[tab]?.hide.includes(part));
const lesson_of = (tab) => tabs[tab]?.lessons[teaching[tab]?.lesson];
const begun = (tab) => lesson_of(tab)?.settings ?? {}; // the settings that a lesson begins with

function teach(tab, { lesson, hide, task = "" }) {
  const { lessons, parts } = tabs[tab], usual = lessons[lesson]?.hide ?? [], asked = hide?.split("-") ?? usual;
  const known = lesson in lessons ? lesson : null;
  teaching[tab] = { lesson: known, hide: asked.filter((part) => part in parts), task: task.slice(0, 300) };
}
function taught_state(tab) {
  const { lesson, hide = [], task } = teaching[tab] ?? {}, usual = lesson_of(tab)?.hide ?? [];
  const parts = String([...hide].sort()) !== String([...usual].sort()) && { hide: hide.join("-") };
  return { ...(lesson && { lesson }), ...parts, ...(task && { task }) };
}
// takes away what the lesson of a tab leaves out, and shows its task
function draw_lesson(tab) {
  const { title } = lesson_of(tab) ?? {}, task = teaching[tab]?.task || lesson_of(tab)?.text;
  for (const part of document.querySelectorAll(`#${tab} [data-part]`))
    part.classList.toggle("left-out", is_out(tab, part.dataset.part));
  for (const other of document.querySelectorAll("[role=tab]"))
    other.classList.toggle("left-out", is_out(tab, "tabs") && other.dataset.tab !== tab);
  $("lesson").hidden = !task;
  const head = title && element("b", { textContent: `${title}${title.endsWith("?") ? "" : "."} ` });
  $("lesson").replaceChildren(head ?? "", task ?? "");
  const out = String(teaching[tab]?.hide ?? "");
  if (out !== (left_out[tab] ?? "")) tabs[tab].parted?.();
  left_out[tab] = out;
}
const left_out = {}; // by tab, when it was drawn last

// --- the sheet ------------------------------------------------------------------------------------------------------
function draw_sheet(tab) {
  $("lesson-list").replaceChildren(...Object.keys(tabs).map((name) => lessons_of(name, tab)));
  const chips = Object.entries(tabs[tab].parts).map(([part, textContent]) => {
    const box = element("input", { type: "checkbox", checked: !is_out(tab, part), id: `part-${part}` });
    box.onchange = () => {
      const { hide } = (teaching[tab] ??= { hide: [] });
      teaching[tab].hide = box.checked ? hide.filter((other) => other !== part) : [...hide, part];
      show(tab);
    };
    return element("label", {}, box, textContent);
  });
  keep_focus(() => $("parts").replaceChildren($("parts").firstElementChild, ...chips));
  if (document.activeElement !== $("task")) $("task").value = teaching[tab]?.task ?? "";
}
function lessons_of(name, tab) {
  const rows = Object.entries(tabs[name].lessons).map(([lesson, { title }]) => {
    const button = element("button", { type: "button", textContent: title, id: `lesson-${lesson}` });
    button.setAttribute("aria-pressed", name === tab && teaching[tab]?.lesson === lesson);
    button.onclick = () => follow(`#${new URLSearchParams({ tab: name, lesson, ...projector_state() })}`);
    return button;
  });
  const title = element("h3", { textContent: document.querySelector(`[data-tab=${name}]`).textContent });
  return element("div", {}, title, ...rows);
}
// an element with the same name has the focus again when its place was filled anew
function keep_focus(fill) {
  const { id } = document.activeElement ?? {};
  fill();
  if (id && document.activeElement?.id !== id) $(id)?.focus();
}
$("teach").onclick = () => {
  const open = $("sheet").hidden;
  $("sheet").hidden = !open;
  $("teach").setAttribute("aria-expanded", open);
  if (open) draw_sheet(shown);
};
$("task").oninput = () => {
  (teaching[shown] ??= { hide: [] }).task = $("task").value;
  draw_lesson(shown);
};
$("whole").onclick = () => {
  delete teaching[shown];
  show(shown);
};

// --- the projector: larger text and lines, more contrast ------------------------------------------------------------
const projector_state = () => ($("projector").ariaPressed === "true" ? { projector: 1 } : {});
function project(on) {
  $("projector").ariaPressed = on;
  document.documentElement.classList.toggle("projector", on);
  measure_text();
}
$("projector").onclick = () => {
  project($("projector").ariaPressed !== "true");
  show(shown);
};
