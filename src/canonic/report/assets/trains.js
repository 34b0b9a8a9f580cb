// One number at a time: its train in every code. The trains are those of the data, none is made here.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const slider = find("number");
const LAST = Math.max(...data.codes.map((code) => code.silent + code.weights.length));
for (const code of data.codes) code.most = Math.max(...code.trains.flat().map(Math.abs));

function card(code) {
  const [w, n] = code.equations;
  const equations = [html("code", `w[m] = ${w}`, "equation"), ...(n === "1" ? [] : [html("code", `n[m] = ${n}`, "equation")])];
  const parameters = code.text.split(":")[1].includes(",") ? [html("p", html("code", code.text))] : [];
  const head = html("div", [html("h2", code.name), ...parameters, html("p", equations), html("p", code.source, "muted")]);
  const picture = svg("svg", { role: "img", class: "train" });
  const item = html("li", [head, picture, html("dl"), html("details", [html("summary", "Step by step"), html("table")])]);
  item.dataset.code = code.text;
  return item;
}

function facts(code, x, train, value) {
  const rows = [
    ["stands for", plain(value)],
    ["off by", plain(value - x)],
    ["events", `${train.filter(Boolean).length} of ${train.length}`],
    ["bits of one", trimmed(Math.round(code.bits * 10) / 10)],
    ["steps", `${code.silent ? `${code.silent} + ` : ""}${train.length}`],
  ];
  const cannot = x < 0 && !code.signed ? [html("dt", "no negative event", "cannot")] : [];
  return [...rows.flatMap(([name, text]) => [html("dt", name), html("dd", text)]), ...cannot];
}

function table(code, x, train, values) {
  const silent = Array.from({ length: code.silent }, (_, step) => [step + 1, "listens", "", "", ""]);
  const digits = train.map((digit, m) => [code.silent + m + 1, trimmed(digit), trimmed(code.weights[m] * code.theta), plain(values[m]), plain(values[m] - x)]);
  return tableOf(["step", "event", "worth of one", "value so far", "off by"], [...silent, ...digits]);
}

function spoken(code, train, value) {
  const first = code.silent ? `listens ${code.silent} steps, then ` : "";
  return `${code.name}: ${first}${train.map(trimmed).join(" ")}, which stands for ${plain(value)}`;
}

function show() {
  const place = data.hundredths.indexOf(Number(slider.value)), x = data.hundredths[place] / 100;
  find("now").textContent = minus(x, 2);
  slider.setAttribute("aria-valuetext", minus(x, 2));
  data.codes.forEach((code, index) => {
    const [, picture, list, details] = find("codes").children[index].children;
    const events = code.trains[place], values = prefixes(code, events), numbers = values.map((value) => value * code.theta);
    drawTrain(picture, code, { events, values, goal: x / code.theta, full: 1 / code.theta }, { first: 0, columns: LAST });
    picture.setAttribute("aria-label", spoken(code, events, numbers.at(-1)));
    list.replaceChildren(...facts(code, x, events, numbers.at(-1)));
    details.lastChild.replaceWith(table(code, x, events, numbers));
  });
}

Object.assign(slider, { min: data.hundredths[0], max: data.hundredths.at(-1), step: 1 });
slider.value = slider.defaultValue; // which was read before its range was known
find("codes").append(...data.codes.map(card));
slider.addEventListener("input", show);
show();
window.addEventListener("resize", show); // after a turn of the phone
document.documentElement.dataset.ready = "yes";
