// How a train of events is drawn, step by step: what is sent, what a step is worth, what is held, what was said so far.
const GUTTER = 46, SPIKES = 26, WORTH = 16, HELD = 26, VALUE = 40, GAP = 10; // pixels

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

const minus = (value, digits) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}`;
const plain = (value) => (Number(value.toFixed(4)) === 0 ? "0.0000" : minus(value, 4));
const trimmed = (value) => minus(value, 6).replace(/\.?0+$/, "");

// A[m], the value after each digit, in units of theta.
function prefixes({ weights, norms }, train) {
  let sum = 0;
  return train.map((digit, m) => (sum += weights[m] * digit) / norms[m]);
}

// Events up and down, as high as they are strong, with their size where that is not one.
function* eventsOf(train, from, column, base, most) {
  for (const [m, digit] of train.entries()) {
    if (!digit) continue;
    const height = Math.max(5, (SPIKES * Math.abs(digit)) / most), x = from + m * column, size = Math.abs(digit);
    const wide = Math.min(16, column * 0.6), up = digit > 0;
    yield svg("rect", { class: up ? "plus" : "minus", x: x + (column - wide) / 2, width: wide, y: up ? base - height : base, height, rx: 1.5 });
    const text = size < 1 ? `1/${Math.round(1 / size)}` : String(size);
    if (size !== 1) yield svg("text", { class: "digit", x: x + column / 2, y: up ? base - height - 3 : base + height + 10 }, text);
  }
}

function* worthsOf(weights, from, column, base) {
  const most = Math.max(...weights);
  for (const [m, weight] of weights.entries()) {
    const height = Math.max(1, (WORTH * weight) / most);
    yield svg("rect", { class: "worth", x: from + (m + 0.2) * column, width: column * 0.6, y: base - height, height });
  }
}

// Values that hold from a step to the next, upward or, where the number is negative, downward.
function* courseOf(values, goal, full, from, column, base, end) {
  const zero = goal < 0 ? base - VALUE : base;
  const y = (value) => Math.max(base - 1.1 * VALUE, Math.min(base + 0.1 * VALUE, zero - (VALUE * value) / full));
  yield svg("line", { class: "base", x1: GUTTER, x2: end, y1: zero, y2: zero });
  if (goal !== null) yield svg("line", { class: "goal", x1: GUTTER, x2: end, y1: y(goal), y2: y(goal) });
  const path = values.map((value, m) => `V${y(value)}H${from + (m + 1) * column}`).join("");
  yield svg("path", { class: "value", d: `M${from} ${zero}${path}` });
}

function* heldOf(membranes, column, base) {
  const most = Math.max(1e-9, ...membranes.map(Math.abs));
  const path = membranes.map((value, step) => `V${base - (HELD / 2) * (1 + value / most)}H${GUTTER + (step + 1) * column}`).join("");
  yield svg("line", { class: "base", x1: GUTTER, x2: GUTTER + membranes.length * column, y1: base - HELD / 2, y2: base - HELD / 2 });
  yield svg("path", { class: "held", d: `M${GUTTER} ${base - HELD / 2}${path}` });
}

function* stepsOf(first, columns, column, y) {
  const every = Math.ceil(17 / column);
  for (let step = every; step <= columns; step += every) yield svg("text", { class: "step", x: GUTTER + (step - 0.5) * column, y }, first + step);
}

// code: {silent, weights, norms, signed, most}; train: {events, values, goal, full, membranes}; where: {first, columns, now}, now being the step to mark.
function drawTrain(picture, { silent, weights, signed, most }, { events, values, goal, full, membranes }, { first, columns, now = 0 }) {
  const column = Math.max(1, (picture.clientWidth - GUTTER) / columns), from = GUTTER + silent * column, end = GUTTER + columns * column;
  const base = SPIKES + 14, worth = base + (signed ? SPIKES + 12 : 5) + WORTH;
  const held = worth + (membranes ? GAP + HELD : 0), bottom = held + GAP + VALUE;
  const names = [["spikes", base - 8], ["worth", worth - 4], ...(membranes ? [["held", held - HELD / 2 + 4]] : []), ["so far", bottom - VALUE / 2 + 4]];
  picture.setAttribute("height", bottom + 18);
  picture.replaceChildren(
    ...(now > first && now <= first + columns ? [svg("rect", { class: "now", x: GUTTER + (now - first - 1) * column, width: column, y: 0, height: bottom + 18 })] : []),
    ...names.map(([name, y]) => svg("text", { x: 0, y }, name)),
    svg("line", { class: "base", x1: GUTTER, x2: end, y1: base, y2: base }),
    svg("rect", { fill: "url(#listens)", x: GUTTER, width: silent * column, y: 4, height: bottom - 4 }),
    ...worthsOf(weights, from, column, worth),
    ...(membranes ? heldOf(membranes, column, held) : []),
    ...courseOf(values, goal, full, from, column, bottom, end),
    ...eventsOf(events, from, column, base, most),
    ...stepsOf(first, columns, column, bottom + 15),
  );
}

function tableOf(headings, rows) {
  const body = rows.map((cells) => html("tr", cells.map((cell) => html("td", String(cell)))));
  return html("table", [html("thead", html("tr", headings.map((name) => html("th", name)))), html("tbody", body)]);
}
