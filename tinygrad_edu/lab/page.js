// The page: its tabs, and the link that holds what each of them shows.
const [panels, all_tabs] = ["tabpanel", "tab"].map((role) => [...document.querySelectorAll(`[role=${role}]`)]);
let shown = null;

function show(name) {
  if (shown !== name && shown) tabs[shown].hide();
  shown = name;
  for (const panel of panels) panel.hidden = panel.id !== name;
  for (const tab of all_tabs) {
    tab.setAttribute("aria-selected", tab.dataset.tab === name);
    tab.tabIndex = tab.dataset.tab === name ? 0 : -1;
  }
  draw_lesson(name);
  if (!$("sheet").hidden) draw_sheet(name);
  tabs[name].show();
}
// the state of the tab that is shown, as the part of a link behind #
const link = () =>
  `#${new URLSearchParams({ tab: shown, ...taught_state(shown), ...projector_state(), ...tabs[shown].state() })}`;
// what a link says, but for the words that every object of JavaScript knows, such as constructor
function read_link(text) {
  const foreign = (text) => text.split(/\W+/).some((word) => word in {});
  const fine = ([name, value]) => !foreign(name) && (name === "task" || !foreign(value));
  return Object.fromEntries([...new URLSearchParams(text)].filter(fine));
}
function follow(hash) {
  const { tab, ...link } = read_link(hash.slice(1)), { lesson } = { ...read_link(location.search), ...link };
  const name = tab in tabs ? tab : Object.keys(tabs).find((name) => lesson in tabs[name].lessons) ?? panels[0].id;
  project(link.projector === "1");
  teach(name, { ...link, lesson });
  if (tab in tabs || lesson) tabs[name].restore(link);
  show(name);
}
for (const tab of all_tabs) {
  tab.onclick = () => show(tab.dataset.tab);
  tab.onkeydown = (event) => {
    const open = all_tabs.filter((other) => other.checkVisibility()), at = open.indexOf(tab), end = open.length - 1;
    const next = { ArrowRight: (at + 1) % open.length, ArrowLeft: at ? at - 1 : end, Home: 0, End: end }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    open[next].focus();
    open[next].click();
  };
}
$("share").hidden = location.protocol === "about:"; // in a notebook's frame, which has no address
$("share").onclick = () => {
  history.replaceState(null, "", link());
  navigator.clipboard?.writeText(location.href).catch(() => {});
  $("shared").textContent = "The link of what you see stands in the address bar, and is copied.";
};
matchMedia("(prefers-color-scheme: dark)").onchange = () => tabs[shown].show();
addEventListener("resize", () => tabs[shown].show());
addEventListener("hashchange", () => follow(location.hash));
follow(location.hash || `#${facts.start}`);
prove().then(show_proof);
