// The reader's place in a page that is followed: kept when it goes, found again in the one that comes after it.
"use strict";
(() => {
  const KEY = "steadygan place";
  const html = document.documentElement;

  function stored() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      return null;
    }
  }

  // A control goes by its words, and by its number among those of the same words.
  function controls() {
    const found = new Map();
    for (const control of document.querySelectorAll("button, input, select, summary, [tabindex]")) {
      const words = `${control.localName} ${control.id || control.ariaLabel || control.textContent.trim()}`;
      let name = words;
      for (let again = 2; found.has(name); again++) name = `${words} ${again}`;
      found.set(name, control);
    }
    return found;
  }

  function setting(control) {
    if (control.localName === "summary") return control.parentElement.open;
    if (control.localName === "select") return control.selectedOptions[0].text;
    return control.dataset.toggle === undefined ? undefined : control.getAttribute("aria-pressed");
  }

  function set(control, value) {
    if (value === undefined || setting(control) === value) return;
    if (control.localName === "summary") control.parentElement.open = value;
    else if (control.localName === "select") {
      const chosen = [...control.options].findIndex((option) => option.text === value);
      if (chosen < 0) return;
      control.selectedIndex = chosen;
      control.dispatchEvent(new Event("change"));
    } else control.click();
  }

  // An enlarged curve; plotly says so where the range is no longer its own choice.
  function enlarged(box) {
    const own = page.charts[Number(box.dataset.chart)].layout;
    const found = {};
    for (const axis of ["xaxis", "yaxis"]) {
      const { autorange, range } = box.layout[axis];
      const before = own[axis].range;
      if (before ? String(range) !== String(before) : autorange === false) found[`${axis}.range`] = range;
    }
    return found;
  }

  const sections = () => [...document.querySelectorAll("main > section")];

  function keep() {
    const all = [...controls()];
    const above = sections().findLastIndex((section) => section.getBoundingClientRect().top <= 0);
    const kept = {
      theme: html.dataset.theme,
      controls: Object.fromEntries(all.map(([name, control]) => [name, setting(control)])),
      focus: all.find(([, control]) => control === document.activeElement)?.[0],
      iteration: slider?.value === slider?.max ? undefined : stops[Number(slider.value)],
      curves: Object.fromEntries([...drawn].map((box) => [page.charts[Number(box.dataset.chart)].key, enlarged(box)])),
      section: above,
      beyond: above < 0 ? window.scrollY : -sections()[above].getBoundingClientRect().top,
    };
    try {
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {} // a browser that keeps nothing
  }

  async function restore(kept) {
    const found = controls();
    for (const [name, value] of Object.entries(kept.controls)) if (found.has(name)) set(found.get(name), value);
    if (kept.iteration !== undefined && stops.length) {
      slider.value = String(Math.max(0, stops.findLastIndex((stop) => stop <= kept.iteration)));
      showSamples();
    }
    for (const box of boxes) {
      const ranges = kept.curves[page.charts[Number(box.dataset.chart)].key] ?? {};
      if (!Object.keys(ranges).length) continue;
      await draw(box);
      await Plotly.relayout(box, ranges);
    }
    await Promise.all([...document.images].map((image) => image.decode().catch(() => {}))); // they push what is below
    const section = sections()[kept.section];
    const top = section ? window.scrollY + section.getBoundingClientRect().top : 0;
    window.scrollTo({ top: top + kept.beyond, behavior: "instant" });
    html.style.visibility = "";
    found.get(kept.focus)?.focus({ preventScroll: true });
  }

  const kept = stored();
  if (kept !== null) {
    history.scrollRestoration = "manual";
    html.style.visibility = "hidden"; // the page before stays to be seen until this one stands as it did
    if (kept.theme) html.dataset.theme = kept.theme;
  }
  document.addEventListener("DOMContentLoaded", async () => {
    try {
      if (kept !== null) await restore(kept);
    } finally {
      html.style.visibility = "";
      html.dataset.placed = "yes";
      window.addEventListener("pagehide", keep);
    }
  });
})();
