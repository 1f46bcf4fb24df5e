"""Places of a page that cannot be read, hit or named: too little contrast, too small, without a name."""

CONTRAST = """(places) => {
  const part = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((x) => part(x / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (place) => {
    for (; place; place = place.parentElement)
      if (/^rgb\\(/.test(getComputedStyle(place).backgroundColor)) return getComputedStyle(place).backgroundColor;
  };
  const written = (place) => [...place.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const ratio = (place) => {
    const { color, fill } = getComputedStyle(place), front = place instanceof SVGElement ? fill : color;
    const [a, b] = [front, behind(place)].map(light).sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  return places.filter((place) => written(place) && !place.disabled && ratio(place) < 4.5);
}"""
SMALL = """(places) => places.filter((place) => place.matches("button, select, input, summary, label:has(input)"))
  .filter((place) => !place.closest("label:has(input)") || place.matches("label"))
  .filter((place) => Math.min(place.getBoundingClientRect().width, place.getBoundingClientRect().height) < 24)"""
UNNAMED = """(places) => places.filter((place) => place.matches("button, select, input, canvas[tabindex], [role=img]"))
  .filter((place) => !(place.textContent.trim() || place.ariaLabel || place.labels?.length))"""


def unreadable(tab, panel):
    """Return the parts of a panel that fail, as HTML, by what they fail."""
    shown = f"[...document.querySelectorAll('#{panel} *')].filter((place) => place.checkVisibility())"
    tests = {"contrast": CONTRAST, "small": SMALL, "unnamed": UNNAMED}
    texts = {name: f"({test})({shown}).map((place) => place.outerHTML.slice(0, 200))" for name, test in tests.items()}
    return {name: found for name, text in texts.items() if (found := tab.evaluate(text))}
