// The page itself: its theme, which runs are shown, and the start.
"use strict";
const root = document.documentElement;
const themeButton = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
}

function themed() {
  themeButton.setAttribute("aria-pressed", String(isDark()));
  repaint();
}

function repaint() {
  if (root.dataset.ready) for (const again of repaints) again();
}

themeButton.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  themed();
});
system.addEventListener("change", () => {
  if (!root.dataset.theme) themed();
});

for (const chip of document.querySelectorAll("[data-toggle]")) {
  chip.addEventListener("click", () => {
    const group = Number(chip.dataset.toggle);
    const shown = hiddenGroups.has(group);
    if (shown) hiddenGroups.delete(group);
    else hiddenGroups.add(group);
    chip.setAttribute("aria-pressed", String(shown));
    for (const part of document.querySelectorAll(`[data-group="${group}"]`)) part.hidden = !shown;
    repaint();
  });
}

// On a phone each group of curves but the first is folded: it is a long way past them.
if (matchMedia("(max-width: 40rem)").matches) {
  for (const fold of [...document.querySelectorAll("#curves ~ details")].slice(1)) fold.open = false;
}

// The part of the page that is read is marked in its navigation.
const links = [...document.querySelectorAll(".bar nav a")];
const parts = links.map((link) => document.getElementById(link.hash.slice(1)));
function mark() {
  const line = 120; // px below the window's upper edge, below the bar
  const tops = parts.map((part) => part.getBoundingClientRect().top);
  const bottom = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  let here = scrollY < 60 ? 0 : bottom ? links.length - 1 : Math.max(0, tops.findLastIndex((top) => top <= line));
  while (here > 0 && Math.abs(tops[here] - tops[here - 1]) < 8) here--; // of two side by side the first
  links.forEach((link, i) => (i === here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
}
let marking = 0;
function markSoon() {
  cancelAnimationFrame(marking);
  marking = requestAnimationFrame(mark);
}
if (links.length) {
  addEventListener("scroll", markSoon, { passive: true });
  addEventListener("resize", markSoon);
  mark();
}

themeButton.setAttribute("aria-pressed", String(isDark()));
const ready = unpackPlotly().then(() => {
  for (const begin of starts) begin();
  root.dataset.ready = "yes";
});
