// Explanations: what has data-says, or a says function, tells it when the pointer or the focus comes to it.
function explains(section) {
  const bubble = element("div", { className: "says", id: `${section.id}-says`, hidden: true });
  bubble.setAttribute("role", "tooltip");
  document.body.append(bubble);
  let spoken = null;
  function hide() {
    spoken?.removeAttribute("aria-describedby");
    spoken = null;
    bubble.hidden = true;
  }
  function show(event) {
    const target = event.composedPath().find((part) => part.says || part.dataset?.says);
    const text = target?.says?.(event) ?? target?.dataset?.says.replaceAll("\n", " ");
    if (!text) return hide();
    if (spoken !== target) hide();
    spoken = target;
    if (event.type === "focusin") target.setAttribute("aria-describedby", bubble.id);
    bubble.textContent = text;
    bubble.hidden = false;
    place_bubble(bubble, target.getBoundingClientRect(), event.type === "pointermove" && event);
  }
  section.addEventListener("pointermove", show);
  section.addEventListener("focusin", show);
  section.addEventListener("pointerleave", hide);
  section.addEventListener("focusout", hide);
  section.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  section.addEventListener("keyup", (event) => spoken?.says && (bubble.textContent = spoken.says(event)));
}
// beside the pointer, or below what has the focus; above it where there is no room
function place_bubble(bubble, box, pointer) {
  const { offsetWidth: w, offsetHeight: h } = bubble, wide = document.documentElement.clientWidth;
  const x = pointer ? pointer.clientX + 14 : box.left, y = pointer ? pointer.clientY + 16 : box.bottom + 6;
  const above = (pointer ? pointer.clientY : box.top) - h - 10;
  bubble.style.left = `${Math.max(4, Math.min(x, wide - w - 4))}px`;
  bubble.style.top = `${y + h > innerHeight ? Math.max(4, above) : y}px`;
}
