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
  for (const again of repaints) again();
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
    for (const again of repaints) again();
  });
}

themeButton.setAttribute("aria-pressed", String(isDark()));
for (const begin of starts) begin();
root.dataset.ready = "yes";
