// Curves: drawn when they come into view, painted in the page's colours, groups shown or not.
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const hiddenGroups = new Set();
const repaints = [redrawCharts]; // what follows the theme and the runs that are shown
const starts = [watchCharts];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const config = { displayModeBar: false, responsive: true, doubleClick: "reset+autosize" };
const touch = matchMedia("(pointer: coarse)").matches;

// Plotly comes packed: unpacked it would be nine tenths of the page.
async function unpackPlotly() {
  const packed = document.getElementById("plotly");
  if (!packed) return;
  const text = atob(packed.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i); // a call for each would take a quarter of a second
  const script = document.createElement("script");
  script.textContent = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
}

// The style sheet knows the colours; the browser resolves them for the theme that holds.
function colour(name, group) {
  const probe = document.createElement("span");
  if (group !== undefined) probe.className = `g${group % page.palette}`;
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function faded(rgb, alpha) {
  return rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);
}

function frameOf() {
  const axis = {
    gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, automargin: true,
    tickfont: { size: 11 }, title: { font: { size: 12 }, standoff: 8 },
  };
  return {
    font: { family: FONT, size: 12, color: colour("quiet") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 52, r: 10, t: 8, b: 40 }, showlegend: false, dragmode: touch ? false : "zoom",
    hoverlabel: { bgcolor: colour("ground"), bordercolor: colour("line"), font: { color: colour("ink"), size: 12 } },
    xaxis: axis, yaxis: { ...axis },
  };
}

function merged(base, own) {
  return { ...base, ...own, title: { ...base.title, ...own.title } };
}

function painted(chart) {
  const own = new Map();
  const paint = (group) => own.get(group) ?? own.set(group, colour("own", group)).get(group);
  const data = chart.data.map((trace) => {
    const { group, role } = trace.meta;
    const line =
      role === "line" ? { color: paint(group), width: 2, dash: DASHES[group % 4] }
      : role === "quiet" ? { color: colour("quiet"), width: 1 }
      : { width: 0, color: paint(group) };
    return {
      ...trace, line, marker: { color: paint(group), size: 7 }, visible: !hiddenGroups.has(group),
      ...(role === "band" ? { fillcolor: faded(paint(group), 0.18) } : {}),
    };
  });
  const shapes = (chart.layout.shapes ?? []).flatMap((shape) => {
    const [kind, group] = shape.name.split("-");
    if (group !== undefined && hiddenGroups.has(Number(group))) return [];
    const inked = kind === "alarm" ? colour("bad") : group === undefined ? colour("quiet") : paint(Number(group));
    return [{ ...shape, layer: "below", line: { ...shape.line, color: inked } }];
  });
  const base = frameOf();
  return {
    data,
    layout: {
      ...base, shapes, ...(chart.layout.legend ? { showlegend: true, legend: chart.layout.legend } : {}), hovermode: chart.layout.hovermode ?? "x unified",
      xaxis: { nticks: 6, tickformat: "~s", hoverformat: ",d", ...merged(base.xaxis, chart.layout.xaxis) },
      yaxis: merged(base.yaxis, chart.layout.yaxis),
    },
  };
}

const drawn = new Set();
function draw(box) {
  const chart = page.charts[Number(box.dataset.chart)];
  const { data, layout } = painted(chart);
  drawn.add(box);
  return Plotly.react(box, data, layout, config);
}

const boxes = [...document.querySelectorAll("[data-chart]")];
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      if (!drawn.has(entry.target)) draw(entry.target);
    }
  },
  { rootMargin: "300px 0px" },
);
function watchCharts() {
  boxes.forEach((box) => watcher.observe(box));
}
function redrawCharts() {
  drawn.forEach((box) => draw(box));
}
window.addEventListener("beforeprint", () => boxes.filter((box) => !drawn.has(box)).forEach(draw));
