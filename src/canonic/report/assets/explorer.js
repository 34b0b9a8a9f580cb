// The explorer: one sample at one step. Digit m of a layer leaves at step layer.first + m.
const data = read("explorer-data");
const find = (id) => document.getElementById(id);

const POWERS = [81, 27, 9, 3, 1];
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The events of each layer, [T * shown]: ranks among its magnitudes, five a byte where there is one, else one.
async function ranksOf(sample) {
  const bytes = await unpacked(sample.events);
  let start = 0;
  return data.layers.map(({ sheet, weights, magnitudes }) => {
    const ranks = new Int8Array(sheet.shown * weights.length), one = magnitudes.length === 1;
    const length = one ? Math.ceil(ranks.length / 5) : ranks.length;
    if (!one) ranks.set(bytes.subarray(start, start + length));
    else for (let i = 0; i < ranks.length; i++) ranks[i] = (Math.floor(bytes[start + Math.floor(i / 5)] / POWERS[i % 5]) % 3) - 1;
    start += length;
    return ranks;
  });
}

const named = (index) => data.classes[index] ?? String(index);
const state = { sample: 0, step: data?.first_answer, ranks: [], layer: 0, playing: null, bars: null, lines: null };

function digitAt(layer, step) {
  return step - layer.first;
}

function stateOf(layer, step) {
  const digit = digitAt(layer, step);
  if (digit > layer.weights.length) return ["done", "done"];
  if (digit >= 1) return ["fires", `digit ${digit} of ${layer.weights.length}`];
  if (digit > -layer.silent) return ["listens", "listens, silent"];
  return ["waits", "waits for its input"];
}

// Paint the maps of one layer: its events at this step over the value that those so far stand for.
function paint(canvas, layer, ranks, step) {
  const { maps, height, width, shown } = layer.sheet;
  const columns = Math.ceil(Math.sqrt((maps * height) / width));
  const rows = Math.ceil(maps / columns);
  const gap = maps > 1 ? 1 : 0;
  canvas.width = columns * (width + gap) - gap;
  canvas.height = rows * (height + gap) - gap;
  const context = canvas.getContext("2d", { willReadFrequently: true }); // pixels are put, nothing is drawn
  const image = context.createImageData(canvas.width, canvas.height);
  const plus = rgb("plus"), minus = rgb("minus"), value = rgb("value"), surface = rgb("shade");
  const now = digitAt(layer, step);
  const { weights, norms, magnitudes, largest } = layer, last = Math.min(now, weights.length);
  const sizes = [0, ...magnitudes], worth = (rank) => Math.sign(rank) * sizes[Math.abs(rank)];
  for (let neuron = 0; neuron < shown; neuron++) {
    let sum = 0;
    for (let digit = 0; digit < last; digit++) sum += weights[digit] * worth(ranks[digit * shown + neuron]);
    const rank = now >= 1 && now <= weights.length ? ranks[(now - 1) * shown + neuron] : 0;
    const size = magnitudes.length === 1 ? 1 : 0.4 + (0.6 * Math.abs(rank)) / magnitudes.length;
    const strength = last < 1 ? 0 : Math.min(1, Math.sqrt((2 * Math.abs(sum)) / (norms[last - 1] * largest)));
    const map = Math.floor(neuron / (height * width)), within = neuron % (height * width);
    const x = (map % columns) * (width + gap) + (within % width);
    const y = Math.floor(map / columns) * (height + gap) + Math.floor(within / width);
    const at = 4 * (y * canvas.width + x);
    for (let part = 0; part < 3; part++) {
      const rest = surface[part] + strength * (value[part] - surface[part]);
      const ink = (rank > 0 ? plus : minus)[part];
      image.data[at + part] = rank ? surface[part] + size * (ink - surface[part]) : rest;
    }
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const known = new Map(); // colours, read once for each theme
function rgb(name) {
  if (!known.has(name)) known.set(name, colour(name).match(/[\d.]+/g).map(Number));
  return known.get(name);
}

function cards() {
  find("layers").replaceChildren(...data.layers.map((layer) => {
    const card = document.createElement("li");
    const name = document.createElement("strong");
    name.textContent = short(layer.name);
    name.title = layer.name;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    const ticks = document.createElement("span");
    ticks.className = "ticks";
    ticks.append(...layer.weights.map(() => document.createElement("i")));
    ticks.style.gap = layer.weights.length > 24 ? 0 : "";
    const text = document.createElement("span");
    const part = document.createElement("span");
    part.textContent = `${layer.code}, ${partOf(layer)}`;
    card.append(name, canvas, ticks, text, part);
    card.title = "Show a few of its neurons"; // with a keyboard: the list of layers below
    card.addEventListener("click", () => {
      watch(data.layers.indexOf(layer));
      find("watch").scrollIntoView({ block: "nearest" });
    });
    return card;
  }));
}

// Layers are told apart by how their names begin, as layers.4, and how they end.
function short(name) {
  return name.length > 21 ? `${name.slice(0, 8)}…${name.slice(-12)}` : name;
}

function partOf({ neurons, sheet }) {
  if (sheet.shown === neurons) return `${neurons.toLocaleString("en")} neurons`;
  const maps = sheet.channels > sheet.maps ? `${sheet.maps} of ${sheet.channels} channels` : "";
  const stride = sheet.stride > 1 ? `1 of ${sheet.stride} rows and columns` : "";
  return `shown: ${[maps, stride].filter(Boolean).join(", ")}`;
}

// A few neurons of one layer, all their steps.
function watch(index) {
  state.layer = index;
  find("layer").value = index;
  showLayers();
  showNeurons();
}

function showNeurons() {
  const layer = data.layers[state.layer], neurons = data.samples[state.sample].watched[state.layer];
  find("layer-code").textContent = layer.code;
  const events = neurons.flatMap((neuron) => neuron.events);
  const code = { ...layer, signed: events.some((event) => event < 0), most: Math.max(1, ...events.map(Math.abs)) };
  if (find("neurons").dataset.shown !== `${state.sample} ${state.layer}`) {
    find("neurons").dataset.shown = `${state.sample} ${state.layer}`;
    find("neurons").replaceChildren(...neurons.map((neuron) => neuronCard(layer, neuron)));
  }
  neurons.forEach((neuron, index) => showNeuron(find("neurons").children[index].children[1], code, neuron));
}

function showNeuron(picture, layer, neuron) {
  const { events, membranes, source } = neuron, values = prefixes(layer, events);
  const first = layer.first - layer.silent, columns = membranes.length;
  drawTrain(picture, layer, { events, values, membranes, goal: source, full: layer.largest }, { first, columns, now: state.step });
}

function neuronCard(layer, { place, events, membranes, source }) {
  const values = prefixes(layer, events), first = layer.first - layer.silent;
  const name = `Neuron ${place.join(", ")}: ${plain(values.at(-1))}${source === null ? "" : `, source ${plain(source)}`}`;
  const rows = membranes.map((held, step) => {
    const m = step - layer.silent;
    return m < 0 ? [first + step + 1, "listens", "", plain(held), ""] : [first + step + 1, trimmed(events[m]), trimmed(layer.weights[m]), plain(held), plain(values[m])];
  });
  const table = tableOf(["step", "event", "worth", "membrane", "so far"], rows);
  const picture = svg("svg", { class: "train", role: "img", "aria-label": `${name}: events ${events.map(trimmed).join(" ")}` });
  return html("li", [html("strong", name), picture, html("details", [html("summary", "Step by step"), table])]);
}

function showLayers() {
  const sample = data.samples[state.sample];
  const counts = { waits: 0, listens: 0, fires: 0, done: 0 };
  data.layers.forEach((layer, index) => {
    const card = find("layers").children[index];
    const [kind, text] = stateOf(layer, state.step);
    const digit = digitAt(layer, state.step);
    counts[kind]++;
    card.dataset.state = kind;
    card.toggleAttribute("data-watched", index === state.layer);
    const fired = kind === "fires" ? `: +${sample.positive[index][digit - 1]} −${sample.negative[index][digit - 1]}` : "";
    card.children[3].textContent = text + fired;
    card.children[1].setAttribute("aria-label", `${layer.name}, ${text}${fired}`);
    [...card.children[2].children].forEach((tick, m) => {
      tick.className = m + 1 < digit ? "past" : m + 1 === digit ? "current" : "";
    });
    paint(card.children[1], layer, state.ranks[index], state.step);
  });
  return counts;
}

// The row of the readout at this step; before the first digit there is none.
function readoutAt(sample, step) {
  return sample.readout[step - data.first_answer];
}

function rowsNow(sample) {
  const values = readoutAt(sample, state.step);
  const answer = values && data.classifies ? sample.answers[state.step - data.first_answer] : null;
  return sample.outputs.map((output, index) => ({
    name: named(output) + (output === sample.label ? " (label)" : ""),
    value: values ? values[index] : 0, source: sample.source && sample.source[index],
    kind: output === answer || !data.classifies ? "answer" : "other",
  }));
}

const KINDS = { domain: ["answer", "other"], range: ["var(--spiking)", "var(--value)"] };
const FIT = { width: "container", autosize: { type: "fit", contains: "padding" } };

function barsSpec(sample) {
  const all = [0, ...(sample.source ?? []), ...sample.readout.flat()];
  const y = { field: "name", type: "nominal", sort: null, title: null, axis: { ticks: false, domain: false, labelLimit: 130 } };
  const scale = { domain: [Math.min(...all), Math.max(...all)], nice: true };
  const shared = { y, tooltip: [{ field: "name" }, { field: "value", title: "now" }, ...(sample.source ? [{ field: "source" }] : [])] };
  return {
    ...FIT, height: 50 + 22 * sample.outputs.length, data: { name: "now", values: rowsNow(sample) },
    layer: [
      { mark: { type: "bar", height: { band: 0.66 } }, encoding: { ...shared, x: { field: "value", type: "quantitative", scale, title: "readout", axis: { tickCount: 5 } }, color: { field: "kind", type: "nominal", scale: KINDS, legend: null } } },
      ...(sample.source ? [{ mark: { type: "tick", color: "var(--source)", thickness: 2, size: 16 }, encoding: { ...shared, x: { field: "source", type: "quantitative", scale } } }] : []),
    ],
  };
}

function linesSpec(sample) {
  const last = data.classifies ? sample.answers.at(-1) : null;
  const values = sample.readout.flatMap((row, m) => sample.outputs.map((output, index) => ({
    step: data.first_answer + m, name: named(output), value: row[index], kind: output === last || !data.classifies ? "answer" : "other",
  })));
  const x = { field: "step", type: "quantitative", title: "step", scale: { domain: [data.first_answer - 1, data.total_steps], nice: false }, axis: { tickMinStep: 1, grid: false } };
  const tooltip = [{ field: "name" }, { field: "step" }, { field: "value", title: "readout" }];
  const encoding = { x, y: { field: "value", type: "quantitative", title: "readout" }, detail: { field: "name" }, color: { field: "kind", type: "nominal", scale: KINDS, legend: null }, tooltip };
  return {
    ...FIT, height: Math.max(180, 50 + 22 * sample.outputs.length),
    layer: [
      { data: { name: "cursor", values: [{ step: state.step }] }, mark: { type: "rule", color: "var(--minus)", strokeWidth: 2, clip: true }, encoding: { x } },
      { data: { values }, mark: { type: "line", strokeWidth: 1.5, point: { size: 16 } }, encoding },
      ...(data.classifies ? [{ data: { values: values.filter(({ kind }) => kind === "answer") }, mark: { type: "line", strokeWidth: 3 }, encoding }] : []),
    ],
  };
}

function says(sample) {
  const values = readoutAt(sample, state.step);
  if (!values) return `No digit of the answer yet: the first comes with step ${data.first_answer}.`;
  if (!data.classifies && !sample.source) return "";
  if (!data.classifies) {
    const off = Math.max(...values.map((value, index) => Math.abs(value - sample.source[index])));
    return `Largest difference to the source network: ${off.toPrecision(3)}.`;
  }
  const answer = sample.answers[state.step - data.first_answer];
  const right = sample.label === null ? "" : answer === sample.label ? ", right" : `, wrong (label: ${named(sample.label)})`;
  const source = sample.source ? ` The source network says ${named(sample.source_answer)}.` : "";
  return `The answer now: ${named(answer)}${right}.${source}`;
}

function show() {
  const sample = data.samples[state.sample];
  const slider = find("step");
  slider.value = state.step;
  slider.setAttribute("aria-valuetext", `step ${state.step} of ${data.total_steps}`);
  find("step-now").textContent = `step ${state.step} of ${data.total_steps}`;
  const counts = showLayers();
  if (data.layers.length) showNeurons();
  find("says").textContent = says(sample);
  state.bars?.data("now", rowsNow(sample)).run();
  state.lines?.data("cursor", state.step < data.first_answer ? [] : [{ step: state.step }]).run();
  if (!state.playing) {
    find("live").textContent = `Step ${state.step}: ${counts.waits + counts.listens} layers silent, ${counts.fires} fire, ${counts.done} done. ${says(sample)}`;
  }
}

async function choose(index) {
  state.sample = index;
  const sample = data.samples[index];
  state.ranks = await ranksOf(sample);
  const image = find("input");
  image.hidden = !sample.picture.url;
  if (sample.picture.url) image.src = sample.picture.url;
  image.alt = `Sample ${index + 1}${sample.label === null ? "" : `, ${named(sample.label)}`}`;
  find("input-note").textContent = [sample.label === null ? "" : `label: ${named(sample.label)}`, sample.picture.note].filter(Boolean).join("; ");
  await readouts();
  show();
}

async function readouts() {
  const sample = data.samples[state.sample];
  state.bars = await draw("#readout-bars", barsSpec(sample));
  state.lines = await draw("#readout-lines", linesSpec(sample));
}

function samples() {
  find("samples").append(...data.samples.map((sample, index) => {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "sample", checked: index === 0 });
    radio.addEventListener("change", () => choose(index));
    const text = document.createElement("span");
    text.textContent = sample.label === null ? `${index + 1}` : named(sample.label);
    const picture = document.createElement(sample.picture.url ? "img" : "span");
    if (sample.picture.url) Object.assign(picture, { src: sample.picture.url, alt: "" });
    else Object.assign(picture, { className: "blank", textContent: `${index + 1}` });
    label.append(radio, picture, text);
    return label;
  }));
}

function play() {
  const slow = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (state.playing) clearInterval(state.playing);
  else if (state.step === data.total_steps) state.step = 1; // from the end it begins again
  state.playing = state.playing ? null : setInterval(advance, slow ? 1500 : 450);
  find("play").textContent = state.playing ? "Pause" : "Play";
  show();
}

function advance() {
  if (state.step < data.total_steps) state.step++;
  if (state.step === data.total_steps) play();
  else show();
}

async function start() {
  Object.assign(find("step"), { max: data.total_steps });
  cards();
  samples();
  find("step").addEventListener("input", (event) => {
    state.step = Number(event.target.value);
    show();
  });
  find("play").addEventListener("click", play);
  find("layer").append(...data.layers.map((layer, index) => new Option(layer.name, index)));
  find("layer").addEventListener("change", (event) => watch(Number(event.target.value)));
  find("watch").hidden = !data.layers.length;
  for (const text of document.querySelectorAll(".of-source")) text.hidden = data.samples[0].source === null;
  window.addEventListener("resize", show);
  find("explorer").addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest("button, summary, select")) return;
    event.preventDefault();
    play();
  });
  redraws.push(async () => {
    known.clear();
    await readouts();
    show();
  });
  await choose(0);
}

if (data) await start();
root.dataset.ready = "yes"; // all is drawn
