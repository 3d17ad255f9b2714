// A Dirac-GAN computed in the page: d(v) = psi v + b, the real at 0, the fake at theta; b moves for least squares only.
"use strict";
const sigmoid = (t) => 1 / (1 + Math.exp(-t));
// From the logits r of the real and f of the fake: dL_D/dr, dL_D/df, dL_G/df.
const LOSSES = {
  nonsaturating: (r, f) => [-sigmoid(-r), sigmoid(f), -sigmoid(-f)],
  minimax: (r, f) => [-sigmoid(-r), sigmoid(f), -sigmoid(f)],
  wasserstein: () => [-1, 1, -1],
  hinge: (r, f) => [r < 1 ? -1 : 0, f > -1 ? 1 : 0, -1],
  least_squares: (r, f) => [r - 1, f, f - 1],
  relativistic_pairing: (r, f) => [-sigmoid(f - r), sigmoid(f - r), -sigmoid(r - f)],
  relativistic_average: (r, f) => [-2 * sigmoid(f - r), 2 * sigmoid(f - r), -2 * sigmoid(r - f)],
};
// The slope of the penalty in psi and in b.
const PENALTIES = {
  none: () => [0, 0],
  r1: ({ psi }, w) => [2 * w * psi, 0],
  r2: ({ psi }, w) => [2 * w * psi, 0],
  zero_gp: ({ psi }, w) => [2 * w * psi, 0],
  "r1 + r2": ({ psi }, w) => [4 * w * psi, 0],
  "r1 of the probability": ({ psi, b }, w) => {
    const D = sigmoid(b);
    const slope = D * (1 - D);
    return [2 * w * psi * slope ** 2, 2 * w * psi ** 2 * slope ** 2 * (1 - 2 * D)];
  },
  one_gp: ({ psi }, w) => [2 * w * (Math.abs(psi) - 1) * Math.sign(psi), 0],
  "clipped to w": () => [0, 0],
};

function diracField(state, loss, penalty, w) {
  const { psi, theta, b } = state;
  const [real, fake, g] = LOSSES[loss](b, psi * theta + b);
  const [slope, shift] = PENALTIES[penalty](state, w);
  return { psi: -(fake * theta + slope), theta: -g * psi, b: loss === "least_squares" ? -(real + fake + shift) : 0 };
}

function diracStep(state, { loss, penalty, weight, rate, steps }) {
  const d = diracField(state, loss, penalty, weight);
  const after = { ...state, psi: state.psi + rate * d.psi, b: state.b + rate * d.b };
  if (penalty === "clipped to w") {
    after.psi = Math.max(-weight, Math.min(weight, after.psi));
    if (loss === "least_squares") after.b = Math.max(-weight, Math.min(weight, after.b));
  }
  const g = diracField(steps === "alternating" ? after : state, loss, penalty, weight);
  return { ...after, theta: state.theta + rate * g.theta };
}

function diracCourse(settings, theta, count) {
  const states = [{ psi: 0, theta, b: settings.loss === "least_squares" ? 0.5 : 0 }];
  while (states.length <= count && Math.hypot(states.at(-1).psi, states.at(-1).theta) < 50) states.push(diracStep(states.at(-1), settings));
  return states;
}

// The largest |eigenvalue| of a step at rest, from a and v of psi' = -2 v psi - a theta, theta' = a psi; null where
// rest is no state of the game.
function diracModulus({ loss, penalty, weight, rate, steps }) {
  if (penalty === "one_gp" || penalty === "clipped to w") return null;
  const a = ["wasserstein", "hinge", "relativistic_average"].includes(loss) ? 1 : 0.5;
  const [slope] = PENALTIES[penalty]({ psi: 1e-6, b: loss === "least_squares" ? 0.5 : 0 }, weight);
  const left = 1 - (rate * slope) / 1e-6;
  const trace = steps === "alternating" ? left + 1 - (rate * a) ** 2 : left + 1;
  const determinant = steps === "alternating" ? left : left + (rate * a) ** 2;
  const inside = trace ** 2 / 4 - determinant;
  const own = inside < 0 ? Math.sqrt(determinant) : Math.abs(trace / 2) + Math.sqrt(inside);
  return loss === "least_squares" ? Math.max(own, Math.abs(1 - 2 * rate)) : own;
}

if (typeof document !== "undefined" && document.getElementById("portrait")) {
  const COUNT = 400;
  const EDGE = 1.8;
  const control = Object.fromEntries(["loss", "penalty", "steps", "weight", "rate", "start"].map((id) => [id, document.getElementById(id)]));
  const fill = (box, names) => box.replaceChildren(...names.map((name) => new Option(name.replaceAll("_", " "), name)));
  fill(control.loss, Object.keys(LOSSES));
  fill(control.penalty, Object.keys(PENALTIES));
  fill(control.steps, ["alternating", "simultaneous"]);
  control.penalty.value = "zero_gp";

  const settingsNow = () => ({
    loss: control.loss.value, penalty: control.penalty.value, steps: control.steps.value,
    weight: Number(control.weight.value), rate: Number(control.rate.value),
  });

  function arrows(settings) {
    const x = [];
    const y = [];
    const b = settings.loss === "least_squares" ? 0.5 : 0;
    const step = (2 * EDGE) / 14;
    for (let psi = -EDGE; psi <= EDGE + 1e-9; psi += step) {
      if (settings.penalty === "clipped to w" && Math.abs(psi) > settings.weight + 1e-9) continue;
      for (let theta = -EDGE; theta <= EDGE + 1e-9; theta += step) {
        const field = diracField({ psi, theta, b }, settings.loss, settings.penalty, settings.weight);
        const size = Math.hypot(field.theta, field.psi);
        if (size < 1e-12) continue;
        const scale = (step * Math.min(0.9, Math.sqrt(size) * 0.7)) / size;
        const [u, v] = [field.theta * scale, field.psi * scale];
        const end = [theta + u / 2, psi + v / 2];
        const head = (s) => [end[0] - 0.35 * (u + s * 0.6 * v), end[1] - 0.35 * (v - s * 0.6 * u)];
        for (const at of [[theta - u / 2, psi - v / 2], end, head(1), end, head(-1), [null, null]]) {
          x.push(at[0]);
          y.push(at[1]);
        }
      }
    }
    return { x, y };
  }

  function drawPortrait() {
    const settings = settingsNow();
    const start = Number(control.start.value);
    const states = diracCourse(settings, start, COUNT);
    const stepped = page.courses.find(
      (c) => ["loss", "penalty", "rate", "steps"].every((key) => c[key] === settings[key]) &&
        (settings.penalty === "none" || c.weight === settings.weight) && c.theta[0] === start,
    );
    const base = frameOf();
    const axis = (name, title, more) => ({ ...merged(base[name], { title: { text: title } }), range: [-EDGE, EDGE], nticks: 7, constrain: "domain", ...more });
    const data = [
      { ...arrows(settings), type: "scatter", mode: "lines", line: { color: colour("quiet"), width: 1 }, hoverinfo: "skip" },
      { x: states.map((s) => s.theta), y: states.map((s) => s.psi), type: "scatter", mode: "lines", line: { color: colour("accent"), width: 2 }, hoverinfo: "skip" },
      { x: [0], y: [0], type: "scatter", mode: "markers", marker: { color: colour("real"), size: 9 }, hoverinfo: "skip" },
      { x: [start], y: [0], type: "scatter", mode: "markers", marker: { color: colour("fake"), size: 9 }, hoverinfo: "skip" },
    ];
    if (stepped) data.push({ x: stepped.theta, y: stepped.psi, type: "scatter", mode: "markers", marker: { color: colour("ink"), size: 4 }, hoverinfo: "skip" });
    Plotly.react(document.getElementById("portrait-view"), data, {
      ...base, dragmode: false, margin: { l: 46, r: 6, t: 6, b: 42 },
      xaxis: axis("xaxis", "theta (fake; the real is at 0)", {}), yaxis: axis("yaxis", "psi (slope of d)", { scaleanchor: "x" }),
    }, config);
    control.weight.setAttribute("aria-valuetext", settings.weight.toFixed(2));
    for (const id of ["weight", "rate", "start"]) document.getElementById(`${id}-told`).textContent = Number(control[id].value).toFixed(2);
    const last = states.at(-1);
    const far = Math.hypot(last.psi, last.theta);
    const modulus = diracModulus(settings);
    const words = [
      modulus === null ? "(0, 0) is no place of rest: the slope of D does not vanish there, or its weights are cut off." : `Largest |eigenvalue| of a step at rest: ${modulus.toFixed(4)}${modulus < 1 - 1e-12 ? ", it contracts" : modulus > 1 + 1e-9 ? ", it diverges" : ", it neither contracts nor grows"}.`,
      `After ${states.length - 1} steps the game is ${far < 1e-3 ? far.toExponential(1) : far.toFixed(3)} away from (0, 0).`,
      ...(stepped ? ["Points: the engine's own steps."] : []),
    ];
    document.getElementById("portrait-told").textContent = words.join(" ");
    document.getElementById("portrait-view").setAttribute("aria-label", `Phase portrait of theta and psi. ${words.join(" ")}`);
  }
  for (const box of Object.values(control)) box.addEventListener("input", drawPortrait);
  repaints.push(drawPortrait);
  starts.push(drawPortrait);
}
