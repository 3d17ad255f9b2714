// A page that is followed: loads itself again once the server has a newer one, and finds the reader's place again.
"use strict";
(() => {
  const EVERY = 2000; // ms between two questions
  const KEY = "steadygan place";
  const html = document.documentElement;
  const button = document.getElementById("follow");
  const followed = document.getElementById("followed");
  let rested = Infinity; // the time from which this page may be loaded again
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  let held = false;

  function say(words) {
    if (followed.textContent !== words) followed.textContent = words;
  }

  function hold(on) {
    held = on;
    button.setAttribute("aria-pressed", String(!held));
    say(held ? "Not kept up to date while Follow is off." : "");
  }

  async function ask() {
    if (held || document.hidden) return;
    try {
      const answer = await fetch(location.pathname, { method: "HEAD" });
      say("");
      if (answer.headers.get("ETag") !== `"${html.dataset.state}"` && !held && performance.now() >= rested) location.reload();
    } catch {
      say("No longer kept up to date: the command has ended.");
    }
  }

  // The place is that in a section: what stands above it may have grown.
  const tops = () => [html, ...document.querySelectorAll("main section")].map((part) => part.getBoundingClientRect().top);

  function keep() {
    if (kept !== null && !html.dataset.placed) return; // what is kept is not yet used
    const at = slider && slider.value !== slider.max ? stops[Number(slider.value)] : undefined;
    const section = tops().findLastIndex((top) => top <= 0);
    const folds = [...document.querySelectorAll("[data-fold][open]")].map((fold) => fold.dataset.fold);
    const place = { held, at, folds, theme: html.dataset.theme, hidden: [...hiddenGroups], section, beyond: -tops()[section] };
    sessionStorage.setItem(KEY, JSON.stringify(place));
  }

  function restore() {
    const top = window.scrollY + (tops()[kept.section] ?? 0) + kept.beyond;
    window.scrollTo({ top, behavior: "instant" });
    html.dataset.placed = "yes";
  }

  function place() {
    if (kept.at !== undefined && stops.length) slider.value = String(Math.max(0, stops.findLastIndex((s) => s <= kept.at)));
    for (const fold of document.querySelectorAll("[data-fold]")) fold.open = kept.folds.includes(fold.dataset.fold);
    for (const group of kept.hidden) document.querySelector(`[data-toggle="${group}"]`)?.click();
    themed();
    Promise.allSettled([...document.images].map((image) => image.decode())).then(restore); // they have their heights
  }

  history.scrollRestoration = "manual"; // else the browser may scroll after us
  if (kept !== null) {
    if (kept.theme) html.dataset.theme = kept.theme;
    hold(kept.held);
  }
  ready.then(() => {
    rested = Math.min(60_000, 10 * performance.now()); // opening pages takes a tenth of the time at most
    if (kept !== null) place();
  });
  button.addEventListener("click", () => hold(!held));
  document.addEventListener("visibilitychange", ask);
  window.addEventListener("pagehide", keep);
  setInterval(ask, EVERY);
})();
