// The theme, and the charts that are drawn in its colours.
"use strict";

const root = document.documentElement;
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const redraws = []; // called when the theme changes

const probe = document.body.appendChild(document.createElement("span"));
probe.hidden = true;
const colour = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};

// A specification names colours of the style sheet: "var(--plus)".
function coloured(value) {
  if (typeof value === "string") {
    const name = /^var\(--([a-z]+)\)$/.exec(value);
    return name ? colour(name[1]) : value;
  }
  if (Array.isArray(value)) return value.map(coloured);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
  }
  return value;
}

const CONFIG = {
  background: "transparent",
  font: "-apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif",
  view: { stroke: null },
  axis: {
    labelColor: "var(--muted)", titleColor: "var(--muted)", gridColor: "var(--line)", domainColor: "var(--line)",
    tickColor: "var(--line)", labelFontSize: 11.5, titleFontSize: 12, titleFontWeight: "normal", titlePadding: 8, labelFlush: false,
  },
  legend: { labelColor: "var(--muted)", titleColor: "var(--muted)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", symbolSize: 80 },
  text: { fontSize: 12 },
};

function isDark() {
  if (root.dataset.theme) return root.dataset.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// Draw a chart; the promise is of its Vega view.
async function draw(place, spec) {
  const options = {
    mode: "vega-lite", renderer: "svg", actions: false, config: coloured(CONFIG),
    tooltip: { theme: isDark() ? "dark" : "light" },
  };
  return (await window.vegaEmbed(place, coloured(spec), options)).view;
}

const charts = read("charts");
const drawAll = () => Promise.all(Object.entries(charts).map(([name, spec]) => draw(`#chart-${name}`, spec)));
redraws.push(drawAll);

const button = document.getElementById("theme");
function label() {
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", `Change to the ${isDark() ? "light" : "dark"} theme`);
}
async function themed() {
  label();
  for (const redraw of redraws) await redraw();
}
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  themed();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);

label();
await drawAll();

