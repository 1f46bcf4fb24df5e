// The picture as a file: an SVG of the network with the units' maps, and of the output beside it.
function save_picture() {
  const file = new Blob([picture()], { type: "image/svg+xml" }), url = URL.createObjectURL(file);
  element("a", { href: url, download: `playground_${pg.run.settings.data}_${pg.run.t}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
function picture() {
  const net = $("pg-net"), here = net.getBoundingClientRect(), side = is_picture() ? $("pg-pad") : $("map");
  const wide = net.scrollWidth + 320, high = Math.max(net.scrollHeight, 300);
  const images = [...pg.places].filter(([name]) => !(name in INPUTS)).map(([name, { x, y, width, height }]) => {
    draw_tile(name, palette());
    return image_text(tile, x, y, width, height);
  });
  const words = [...net.querySelectorAll(":is(.pg-head, .pg-unit, [aria-pressed=true]) span")].map((span) => {
    const { left, top, width } = span.getBoundingClientRect(), x = left - here.left + net.scrollLeft + width / 2;
    const place = `x="${x.toFixed(1)}" y="${(top - here.top + 13).toFixed(1)}"`;
    return `<text ${place} text-anchor="middle">${span.textContent}</text>`;
  });
  const size = `viewBox="0 0 ${wide} ${high}" width="${wide}" height="${high}"`;
  const look = `font-family="system-ui, sans-serif" font-size="12" fill="${ink("text")}"`;
  const back = `<rect width="100%" height="100%" fill="${ink("card")}"/>`, edges = pg.paths.map(edge_text);
  const output = [...(is_plane() ? [$("pg-back")] : []), side].map((canvas) => image_text(canvas, wide - 300, 8, 284, 284));
  const head = `<svg xmlns="${pg.edges.namespaceURI}" ${look} ${size}>`;
  return [head, back, ...edges, ...images, ...words, ...output, "</svg>"].join("\n");
}
function edge_text({ path }) {
  const style = getComputedStyle(path), names = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity"];
  const look = names.map((name) => `${name}="${style.getPropertyValue(name)}"`).join(" ");
  return `<path d="${path.getAttribute("d")}" ${look}/>`;
}
function image_text(canvas, x, y, width, height) {
  const place = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width}" height="${height}"`;
  return `<image ${place} image-rendering="pixelated" href="${canvas.toDataURL()}"/>`;
}
