// ---- the data from page_data.py; all text is inserted as text, never as markup
const data = JSON.parse(document.getElementById("data").textContent);
const colourOf = (outcome) => data.colours[outcome] ?? "grey";
const fails = (cell) => colourOf(cell.outcome) === "red";
const NOT_RUN = "not run";
const COLOURS = [
  "#3b78c2",
  "#d9822b",
  "#2a9d6f",
  "#c44e78",
  "#8a63c9",
  "#a8851a",
  "#2a9db5",
  "#8c5a3c",
  "#6b8e23",
  "#7d848c",
  "#d1495b",
  "#4c9be8",
  "#b06ae0",
];
const SHAPES = [
  "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
  "M-3.6,-3.6h7.2v7.2h-7.2z",
  "M0,-5l4.6,8h-9.2z",
  "M0,-5.2l4.4,5.2l-4.4,5.2l-4.4,-5.2z",
  "M0,5l4.6,-8h-9.2z",
];
const DASHES = ["", "8 4", "2 3", "10 3 2 3", "14 5", "5 2", "1 5", "12 2 1 2", "3 6"];
const FPS = [1, 10, 25];

const cells = data.cells.map((row) => {
  const cell = Object.fromEntries(data.fields.map((name, place) => [name, row[place] ?? null]));
  cell.platform = data.platforms[cell.platform];
  cell.model = data.models[cell.model];
  cell.source = data.sources[cell.source];
  cell.outcome = cell.outcome === null ? null : data.severity[cell.outcome];
  cell.id = `${cell.platform.id}-${cell.model.id}-b${cell.batch}${cell.scenario ? `-${cell.scenario}` : ""}`;
  cell.series = `${cell.platform.id}/${cell.model.id}`;
  cell.value = cell.now ?? cell.baseline;
  cell.speed = cell.value ? 1000 / cell.value : null;
  cell.budget = cell.budget === null ? null : data.budgets[cell.budget];
  return cell;
});
const byId = new Map(cells.map((cell) => [cell.id, cell]));
const trends = new Map(data.trends);
const judged = cells.some((cell) => cell.outcome !== null);
const measured = data.platforms.filter((platform) => platform.measured);

const severity = (cell) => (cell?.outcome ? data.severity.indexOf(cell.outcome) : data.severity.length);
// the platform with the most urgent cell, else the first one measured, else the first one
const worst = cells.filter(fails).sort((one, other) => severity(one) - severity(other))[0];

const state = {
  view: "latency",
  scale: "log",
  platforms: new Set([(worst?.platform ?? measured[0] ?? data.platforms[0] ?? {}).id]),
  hidden: new Set(),
  cell: null,
  sort: { column: judged ? "verdict" : "model", down: false },
  shown: null,
};

// ---- words and elements
const number = (value) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : String(Number(value.toPrecision(3)));
function signed(value, digits) {
  const text = Math.abs(value * 100).toFixed(digits);
  return `${value < 0 && Number(text) ? "\u2212" : "+"}${text}`;
}
const percent = (value) => `${signed(value, Math.abs(value) >= 0.9995 ? 0 : 1)}\u202f%`;
// the change that decided, with enough digits to tell it from the tolerance and the limit
function decided({ change, tolerance, limit = null }, least = Math.abs(change) >= 0.9995 ? 0 : 1) {
  const others = [tolerance, tolerance && -tolerance, limit].filter((other) => other !== null && other !== change);
  for (let digits = least; digits < 8; digits++)
    if (others.every((other) => signed(other, digits) !== signed(change, digits))) return signed(change, digits);
  return signed(change, least);
}
// how far a time is from the budget: [label, ms]
const headroom = (ms, [label, limit]) =>
  `budget ${label}, ${share(Math.abs(1 - ms / limit))} ${ms > limit ? "over" : "left"}`;
const share = (value) => `${Number((value * 100).toPrecision(3))}\u202f%`;
const find = (id) => document.getElementById(id);
function toggled(keys, key) {
  const changed = new Set(keys);
  if (!changed.delete(key)) changed.add(key);
  return changed;
}
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
function drawn(parent, name, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== null && value !== "") made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}
const place = (model) => data.models.indexOf(model);
const colour = (model) => COLOURS[place(model) % COLOURS.length];
const shape = (model) => SHAPES[place(model) % SHAPES.length];

// ---- scales: from values to pixels, with round ticks
function logScale(low, high, from, to) {
  const least = Math.log(low),
    span = Math.log(high) - least || 1;
  const at = (value) => from + ((Math.log(value) - least) / span) * (to - from);
  if (high / low < 4) return { at, ticks: linearScale(low, high, from, to).ticks };
  const ticks = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade++)
    for (const step of high / low > 1000 ? [1] : high / low > 30 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8]) {
      const value = step * 10 ** decade;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(Number(value.toPrecision(3)));
    }
  return { at, ticks };
}
function linearScale(low, high, from, to) {
  const span = high - low || 1;
  const at = (value) => from + ((value - low) / span) * (to - from);
  const rough = span / 6,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step)
    ticks.push(Number(value.toPrecision(6)));
  return { at, ticks };
}
function valueScale(values, bottom, top) {
  const low = Math.min(...values),
    high = Math.max(...values);
  if (state.scale === "log") return logScale(low / 1.15, high * 1.15, bottom, top);
  return linearScale(
    state.view === "history" ? low - (high - low || low) * 0.3 : 0,
    high + (high - low || high) * 0.08,
    bottom,
    top,
  );
}
