// Following runs: asks whether there is a newer page, and opens it unless the reader holds on to this one.
"use strict";
(() => {
  const EVERY = 2000; // ms between two questions
  const LONGEST = 60_000;
  const HELD = "steadygan held";
  const state = document.documentElement.dataset.state;
  const button = document.getElementById("follow");
  const followed = document.getElementById("followed");
  const rested = Math.min(LONGEST, 10 * performance.now()); // opening pages takes a tenth of the time at most
  let held = false;
  let touched = false;
  let timer = 0;

  function say(words) {
    if (followed.textContent !== words) followed.textContent = words;
  }

  async function ask() {
    let pause = EVERY;
    if (!held && !document.hidden) {
      try {
        const answer = await fetch("state");
        if (!answer.ok) throw new Error(answer.statusText);
        const { page, note } = await answer.json();
        say(note);
        if (page !== state && !held && !touched && performance.now() >= rested) location.reload();
      } catch {
        say("No longer kept up to date: the command has ended.");
        pause = 5 * EVERY;
      }
    }
    clearTimeout(timer);
    timer = setTimeout(ask, pause);
  }

  function hold(on) {
    held = on;
    button?.setAttribute("aria-pressed", String(!held));
    if (held) say("Not kept up to date while Follow is off.");
  }

  try {
    hold(button !== null && sessionStorage.getItem(HELD) !== null);
  } catch {} // a browser that keeps nothing
  button?.addEventListener("click", () => {
    hold(!held);
    try {
      if (held) sessionStorage.setItem(HELD, "yes");
      else sessionStorage.removeItem(HELD);
    } catch {}
    ask();
  });
  for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
    window.addEventListener(kind, (event) => (touched = event.buttons > 0), { capture: true, passive: true });
  }
  document.addEventListener("visibilitychange", ask);
  timer = setTimeout(ask, EVERY);
})();
