// The page: its tabs, and the link that holds what each of them shows.
const panels = [...document.querySelectorAll("[role=tabpanel]")];
let shown = null;

function show(name) {
  if (shown !== name && shown) tabs[shown].hide();
  shown = name;
  for (const panel of panels) panel.hidden = panel.id !== name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.setAttribute("aria-selected", tab.dataset.tab === name);
    tab.tabIndex = tab.dataset.tab === name ? 0 : -1;
  }
  tabs[name].show();
}
// the state of the tab that is shown, as the part of a link behind #
const link = () => `#${new URLSearchParams({ tab: shown, ...tabs[shown].state() })}`;
function follow(hash) {
  const { tab, ...kept } = Object.fromEntries(new URLSearchParams(hash.slice(1)));
  const lesson = new URLSearchParams(location.search).get("lesson");
  const name = tab in tabs ? tab : Object.keys(tabs).find((name) => tabs[name].lessons?.includes(lesson)) ?? panels[0].id;
  if (tab in tabs) tabs[name].restore(kept);
  show(name);
}
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.onclick = () => show(tab.dataset.tab);
  tab.onkeydown = (event) => {
    const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!turn) return;
    const all = [...document.querySelectorAll("[role=tab]")], next = all.at((all.indexOf(tab) + turn) % all.length);
    next.focus();
    next.click();
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
