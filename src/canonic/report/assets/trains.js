// One number at a time: its train in every code, drawn step by step. The trains are those of the data, none is made here.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const slider = find("number");
const LAST = Math.max(...data.codes.map((code) => code.silent + code.weights.length));
const GUTTER = 46, SPIKES = 26, WORTH = 16, VALUE = 40, GAP = 10; // pixels

function html(tag, content = "", kind = "") {
  const element = document.createElement(tag);
  element.append(...[content].flat());
  if (kind) element.className = kind;
  return element;
}

function svg(tag, attributes, content = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = content;
  return element;
}

const signed = (value, digits) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}`;
const short = (value) => signed(value, 6).replace(/\.?0+$/, "");
const plain = (value) => (Number(value.toFixed(4)) === 0 ? "0.0000" : signed(value, 4));

// A[m] theta, the value after each digit.
function prefixes({ weights, norms, theta }, train) {
  let sum = 0;
  return train.map((digit, m) => {
    sum += weights[m] * digit;
    return (sum / norms[m]) * theta;
  });
}

function card(code) {
  const [w, n] = code.equations;
  const equations = [html("code", `w[m] = ${w}`, "equation"), ...(n === "1" ? [] : [html("code", `n[m] = ${n}`, "equation")])];
  const parameters = code.text.split(":")[1].includes(",") ? [html("p", html("code", code.text))] : [];
  const head = html("div", [html("h2", code.name), ...parameters, html("p", equations), html("p", code.source, "muted")]);
  const picture = svg("svg", { role: "img" });
  const details = html("details", [html("summary", "Step by step"), html("table", [heading(), html("tbody")])]);
  const item = html("li", [head, picture, html("dl"), details]);
  item.dataset.code = code.text;
  return item;
}

function heading() {
  const names = ["step", "event", "worth of one", "value so far", "off by"];
  return html("thead", html("tr", names.map((name) => html("th", name))));
}

function facts(code, x, train, values) {
  const events = train.filter(Boolean).length;
  const cannot = x < 0 && !code.signed;
  const rows = [
    ["stands for", plain(values.at(-1))],
    ["off by", plain(values.at(-1) - x)],
    ["events", `${events} of ${train.length}`],
    ["bits of one", short(Math.round(code.bits * 10) / 10)],
    ["steps", `${code.silent ? `${code.silent} + ` : ""}${train.length}`],
  ];
  return [...rows.flatMap(([name, value]) => [html("dt", name), html("dd", value)]), ...(cannot ? [html("dt", "no negative event", "cannot")] : [])];
}

function rowsOf(code, x, train, values) {
  const silent = Array.from({ length: code.silent }, (_, step) => [step + 1, "listens", "", "", ""]);
  const digits = train.map((digit, m) => [code.silent + m + 1, short(digit), short(code.weights[m] * code.theta), plain(values[m]), plain(values[m] - x)]);
  return [...silent, ...digits].map((cells) => html("tr", cells.map((cell) => html("td", String(cell)))));
}

// Events up and down, as high as they are strong, with their size where that is not one.
function* events(code, train, column, base) {
  const most = Math.max(...code.trains.flat().map(Math.abs));
  for (const [m, digit] of train.entries()) {
    if (!digit) continue;
    const height = Math.max(5, (SPIKES * Math.abs(digit)) / most), x = GUTTER + (code.silent + m) * column;
    const wide = Math.min(16, column * 0.6), up = digit > 0;
    yield svg("rect", { class: up ? "plus" : "minus", x: x + (column - wide) / 2, width: wide, y: up ? base - height : base, height, rx: 1.5 });
    if (Math.abs(digit) !== 1) yield svg("text", { class: "digit", x: x + column / 2, y: up ? base - height - 3 : base + height + 10 }, label(Math.abs(digit)));
  }
}

const label = (size) => (size < 1 ? `1/${Math.round(1 / size)}` : String(size));

function* worths(code, column, base) {
  const most = Math.max(...code.weights);
  for (const [m, weight] of code.weights.entries()) {
    const height = Math.max(1, (WORTH * weight) / most);
    yield svg("rect", { class: "worth", x: GUTTER + (code.silent + m + 0.2) * column, width: column * 0.6, y: base - height, height });
  }
}

// The value after each digit, from its step on, and the number that it comes to.
function* course(code, x, values, column, base) {
  const zero = x < 0 ? base - VALUE : base;
  const y = (value) => Math.max(base - 1.1 * VALUE, Math.min(base + 0.1 * VALUE, zero - VALUE * value));
  const from = GUTTER + code.silent * column;
  yield svg("line", { class: "base", x1: GUTTER, x2: GUTTER + LAST * column, y1: zero, y2: zero });
  yield svg("line", { class: "goal", x1: GUTTER, x2: GUTTER + LAST * column, y1: y(x), y2: y(x) });
  const path = values.map((value, m) => `V${y(value)}H${from + (m + 1) * column}`).join("");
  yield svg("path", { class: "value", d: `M${from} ${zero}${path}` });
}

function* steps(column, y) {
  const every = Math.ceil(17 / column);
  for (let step = every; step <= LAST; step += every) yield svg("text", { class: "step", x: GUTTER + (step - 0.5) * column, y }, step);
}

function draw(picture, code, x, train, values) {
  const column = Math.max(1, (picture.clientWidth - GUTTER) / LAST);
  const base = SPIKES + 14, worth = base + (code.signed ? SPIKES + 12 : 5) + WORTH, bottom = worth + GAP + VALUE;
  const names = [["spikes", base - 8], ["worth", worth - 4], ["so far", bottom - VALUE / 2 + 4]];
  picture.setAttribute("height", bottom + 18);
  picture.setAttribute("aria-label", spoken(code, train, values));
  picture.replaceChildren(
    ...names.map(([name, y]) => svg("text", { x: 0, y }, name)),
    svg("line", { class: "base", x1: GUTTER, x2: GUTTER + LAST * column, y1: base, y2: base }),
    svg("rect", { fill: "url(#listens)", x: GUTTER, width: code.silent * column, y: 4, height: bottom - 4 }),
    ...worths(code, column, worth),
    ...course(code, x, values, column, bottom),
    ...events(code, train, column, base),
    ...steps(column, bottom + 15),
  );
}

function spoken(code, train, values) {
  const first = code.silent ? `listens ${code.silent} steps, then ` : "";
  return `${code.name}: ${first}${train.map(short).join(" ")}, which stands for ${plain(values.at(-1))}`;
}

function show() {
  const place = data.hundredths.indexOf(Number(slider.value)), x = data.hundredths[place] / 100;
  find("now").textContent = signed(x, 2);
  slider.setAttribute("aria-valuetext", signed(x, 2));
  data.codes.forEach((code, index) => {
    const [, picture, list, details] = find("codes").children[index].children;
    const train = code.trains[place], values = prefixes(code, train);
    draw(picture, code, x, train, values);
    list.replaceChildren(...facts(code, x, train, values));
    details.querySelector("tbody").replaceChildren(...rowsOf(code, x, train, values));
  });
}

Object.assign(slider, { min: data.hundredths[0], max: data.hundredths.at(-1), step: 1 });
slider.value = slider.defaultValue; // which was read before its range was known
find("codes").append(...data.codes.map(card));
slider.addEventListener("input", show);
show();
window.addEventListener("resize", show); // after a turn of the phone
document.documentElement.dataset.ready = "yes";
