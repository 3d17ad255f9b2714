// Samples: one slider for all runs; each panel shows what its run had last at that iteration.
"use strict";
const slider = document.getElementById("iteration");
const slopesBox = document.getElementById("slopes");
const panels = page.samples.map((panel) => ({
  ...panel, chosen: 0, figure: document.querySelector(`[data-panel="${panel.group}"]`),
}));
const stops = [...new Set(panels.flatMap((p) => p.runs.flatMap((r) => r.frames.map((f) => f.iteration))))].sort((a, b) => a - b);
const said = (number) => number.toLocaleString("en");

function frameAt(run, iteration) {
  return run.frames.findLast((f) => f.iteration <= iteration) ?? run.frames[0];
}

function unpacked(frame, run) {
  const bytes = Uint8Array.from(atob(frame.surface), (c) => c.charCodeAt(0));
  const [rows, columns] = frame.shape;
  const [left, right, bottom, top] = frame.extent;
  const along = (from, to, count) => Array.from({ length: count }, (_, i) => from + ((to - from) * i) / Math.max(1, count - 1));
  const value = (byte) => (byte === 255 ? null : run.centre + run.half * ((2 * byte) / 254 - 1));
  const z = Array.from({ length: rows }, (_, r) => Array.from(bytes.subarray(r * columns, (r + 1) * columns), value));
  return { x: along(left, right, columns), y: along(bottom, top, rows), z };
}

function cloud(flat, name, ink, size, opacity) {
  return {
    type: "scatter", mode: "markers", name, x: flat.filter((_, i) => i % 2 === 0), y: flat.filter((_, i) => i % 2 === 1),
    marker: { color: ink, size, opacity, line: { width: 0 } }, hoverinfo: "skip",
  };
}

// Arrows of D's slope as one broken line: each begins at its place, and ends in a head.
function slopes(frame) {
  const bytes = Int8Array.from(atob(frame.arrows), (c) => c.charCodeAt(0));
  const [rows, columns] = frame.grid;
  const [left, right, bottom, top] = frame.extent;
  const [across, up] = [(right - left) / Math.max(1, columns - 1), (top - bottom) / Math.max(1, rows - 1)];
  const x = [];
  const y = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const at = 2 * (r * columns + c);
      const [u, v] = [(1.2 * across * bytes[at]) / 127, (1.2 * across * bytes[at + 1]) / 127];
      if (!u && !v) continue;
      const [x0, y0] = [left + across * c, bottom + up * r];
      const head = (s) => [x0 + u - 0.35 * (u + s * 0.6 * v), y0 + v - 0.35 * (v - s * 0.6 * u)];
      for (const place of [[x0, y0], [x0 + u, y0 + v], head(1), [x0 + u, y0 + v], head(-1), [null, null]]) {
        x.push(place[0]);
        y.push(place[1]);
      }
    }
  }
  return { x, y, type: "scatter", mode: "lines", name: "slopes", line: { color: colour("ink"), width: 1 }, hoverinfo: "skip" };
}

function plane(run, frame) {
  const data = [];
  if (frame.surface) {
    const ground = unpacked(frame, run);
    const scale = [[0, colour("low")], [0.5, colour("middle")], [1, colour("high")]];
    data.push({
      ...ground, type: "heatmap", zmin: run.centre - run.half, zmax: run.centre + run.half, colorscale: scale,
      showscale: false, zsmooth: "best", hovertemplate: "logit %{z:.3~g}<extra></extra>",
    });
    data.push({
      ...ground, type: "contour", showscale: false, hoverinfo: "skip", line: { width: 1, color: colour("quiet") },
      contours: { start: run.centre, end: run.centre, size: 1, coloring: "none" },
    });
  }
  if (frame.arrows && slopesBox.checked) data.push(slopes(frame));
  if (run.real) data.push(cloud(run.real, "real", colour("real"), 6, 0.45));
  data.push(cloud(frame.points, "generated", colour("fake"), 3.5, 0.9));
  const base = frameOf();
  const [left, right, bottom, top] = run.box;
  return {
    data,
    layout: {
      ...base, hovermode: "closest", dragmode: false, margin: { l: 46, r: 6, t: 6, b: 42 },
      xaxis: { ...merged(base.xaxis, { title: { text: run.axes[0] } }), range: [left, right], nticks: 6, showgrid: false, constrain: "domain" },
      yaxis: { ...merged(base.yaxis, { title: { text: run.axes[1] } }), range: [bottom, top], nticks: 6, showgrid: false, scaleanchor: "x", constrain: "domain" },
    },
  };
}


function show(panel, iteration) {
  const run = panel.runs[panel.chosen];
  const shot = frameAt(run, iteration);
  const view = panel.figure.querySelector(".view");
  const notes = panels.length > 1 || shot.iteration !== iteration ? [`iteration ${said(shot.iteration)}`] : [];
  if (run.kind === "images") {
    let image = view.querySelector("img");
    if (!image) view.replaceChildren((image = document.createElement("img")));
    image.src = shot.uri;
    image.alt = `Samples of ${run.label} at iteration ${said(shot.iteration)}`;
  } else {
    let plot = view.querySelector(".plot");
    if (!plot) {
      plot = document.createElement("div");
      plot.className = "plot";
      plot.setAttribute("role", "img");
      view.replaceChildren(plot);
    }
    plot.setAttribute("aria-label", `Generated points of ${run.label} at iteration ${said(shot.iteration)}, over real ones`);
    const { data, layout } = plane(run, shot);
    Plotly.react(plot, data, layout, config);
    if (shot.outside >= 0.01) notes.push(`${Math.round(100 * shot.outside)} % of the points are outside`);
    if (run.columns > 2) notes.push(`the first 2 of ${run.columns} columns`);
    if (!run.real) notes.push("no real points are known");
  }
  panel.figure.querySelector(".told").textContent = notes.join(", ");
}

function showSamples() {
  if (!stops.length) return;
  const iteration = stops[Number(slider.value)];
  document.getElementById("at").textContent = said(iteration);
  slider.setAttribute("aria-valuetext", `iteration ${said(iteration)}`);
  for (const panel of panels) if (!hiddenGroups.has(panel.group)) show(panel, iteration);
}

// Play: from the beginning where the slider stands at the end, until the end or another touch of the slider.
const playButton = document.getElementById("play");
const BEAT = 450; // ms that a frame is shown
let beat = 0;

function play(on) {
  clearInterval(beat);
  playButton.setAttribute("aria-pressed", String(on));
  playButton.setAttribute("aria-label", on ? "Pause" : "Play");
  if (!on) return;
  if (slider.value === slider.max) slider.value = "0";
  showSamples();
  beat = setInterval(() => {
    slider.value = String(Number(slider.value) + 1);
    showSamples();
    if (slider.value === slider.max) play(false);
  }, BEAT);
}

function startSamples() {
  if (!stops.length) return;
  playButton.hidden = stops.length < 2;
  playButton.addEventListener("click", () => play(playButton.getAttribute("aria-pressed") !== "true"));
  slider.max = String(stops.length - 1);
  slider.value = slider.max;
  let waiting = 0;
  slider.addEventListener("pointerdown", () => play(false));
  slider.addEventListener("keydown", (event) => event.key !== "Tab" && play(false));
  slider.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(showSamples);
  });
  for (const panel of panels) {
    panel.figure.querySelector("select")?.addEventListener("change", (event) => {
      panel.chosen = Number(event.target.value);
      showSamples();
    });
  }
  const sloped = panels.some((p) => p.runs.some((r) => r.frames.some((f) => f.arrows)));
  document.getElementById("sloped").hidden = !sloped;
  slopesBox.addEventListener("change", showSamples);
  document.getElementById("grounded").hidden = !panels.some((p) => p.runs.some((r) => r.frames.some((f) => f.surface)));
  document.getElementById("ground").hidden = !panels.some((p) => p.runs.some((r) => r.kind === "points"));
  showSamples();
}

repaints.push(showSamples);
starts.unshift(startSamples);
