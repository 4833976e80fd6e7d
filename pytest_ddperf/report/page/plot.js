// ---- the plot: each view draws into it and sets the spots that pointer and arrow keys select
let spots = [];
let current = -1;
let canvas = null;
const room = () => {
  const width = Math.max(280, find("plot").clientWidth);
  return {
    width,
    height: Math.round(Math.min(560, Math.max(320, width * 0.52))),
    left: 58,
    right: 14,
    top: 14,
    bottom: 44,
  };
};
function newCanvas(size, label) {
  find("plot").replaceChildren();
  spots = [];
  current = -1;
  hideTip();
  canvas = drawn(find("plot"), "svg", {
    viewBox: `0 0 ${size.width} ${size.height}`,
    height: size.height,
    tabindex: 0,
    role: "application",
    "aria-roledescription": "figure",
    "aria-label": `${label}. Arrow keys go from value to value, Escape leaves.`,
  });
  return canvas;
}
function says(text) {
  find("plot").replaceChildren(element("p", { class: "note" }, text));
  canvas = null;
  spots = [];
}
function centred(x, y, text, attributes = {}) {
  drawn(canvas, "text", { x, y, "text-anchor": "middle", ...attributes }, text);
}
function horizontal(parent, name, size, y) {
  drawn(parent, "line", { class: name, x1: size.left, x2: size.width - size.right, y1: y, y2: y });
}
function axes(size, scale, label, named) {
  for (const value of scale.ticks) {
    const y = scale.at(value);
    const tick = drawn(canvas, "g", { class: "tick", "data-value": value, "data-y": y });
    horizontal(tick, "grid", size, y);
    drawn(tick, "text", { x: size.left - 7, y: y + 4, "text-anchor": "end" }, number(value));
  }
  const bottom = size.height - size.bottom,
    middle = (size.top + bottom) / 2;
  horizontal(canvas, "axis", size, bottom);
  centred(14, middle, label, { transform: `rotate(-90 14 ${middle})` });
  centred((size.left + size.width - size.right) / 2, size.height - 6, named);
}
// ---- budgets: the strictest limit of the time per image, [label, ms]
// series that agree where both have a batch size share a line: { points: batch to budget, series: cells of each }
function budgetLines(drawnCells) {
  const bySeries = new Map();
  for (const cell of drawnCells) {
    if (!cell.budget) continue;
    if (!bySeries.has(cell.series)) bySeries.set(cell.series, { points: new Map(), series: [cell] });
    bySeries.get(cell.series).points.set(cell.batch, cell.budget);
  }
  const shared = [];
  for (const { points, series } of bySeries.values()) {
    const agrees = (one) => [...points].every(([batch, budget]) => (one.points.get(batch) ?? budget)[1] === budget[1]);
    const known = shared.find(agrees);
    if (!known) shared.push({ points, series });
    else {
      points.forEach((budget, batch) => known.points.set(batch, budget));
      known.series.push(...series);
    }
  }
  return shared.map((one) => ({ ...one, points: [...one.points].sort(([a], [b]) => a - b) }));
}
// room beside the axes for the labels
const budgetRoom = (labels, least) => Math.max(least, ...labels.map((label) => 12 + 6.4 * label.length));
const budgetNames = (labels) => labels.map((label) => `budget ${label}`);
// the label is that of the last limit, on two lines, unless it would cover another one; the title has every limit
function drawBudget(size, points, labels, named, stroke = null) {
  const text = `budget ${[...new Set(labels)].join(", ")}`;
  const made = drawn(canvas, "path", { class: "budget", d: path(points), "data-budget": text });
  if (stroke) made.style.stroke = stroke;
  drawn(made, "title", {}, text);
  const [, y] = points.at(-1);
  if (named.some((other) => Math.abs(other - y) < 26)) return;
  named.push(y);
  const x = size.width - size.right + 6;
  const label = drawn(canvas, "text", { class: "budget", x, y: y - 2 });
  drawn(label, "tspan", { x }, "budget");
  drawn(label, "tspan", { x, dy: 12 }, labels.at(-1));
}
const level = (size, y) => [
  [size.left, y],
  [size.width - size.right, y],
];
const path = (points) =>
  points.map(([x, y], number) => `${number ? "L" : "M"}${x.toFixed(2)},${y.toFixed(2)}`).join("");

// times under load include queueing: they are not the network's own
const chosen = () =>
  cells.filter(
    (cell) => !cell.scenario && state.platforms.has(cell.platform.id) && !state.hidden.has(cell.model.id),
  );
const batchesOf = (some) => [...new Set(some.map((cell) => cell.batch))].sort((a, b) => a - b);
function lines(side) {
  const found = new Map();
  for (const cell of chosen()) {
    if (cell[side] === null) continue;
    if (!found.has(cell.series)) found.set(cell.series, []);
    found.get(cell.series).push(cell);
  }
  return [...found.values()];
}
function byBatch(toValue, label) {
  const all = lines("now").map((own) => ["now", own]);
  // the baseline of a measured platform is drawn fainter, behind it; other platforms have only a baseline
  for (const own of lines("baseline")) all.unshift([own[0].platform.measured && judged ? "held" : "baseline", own]);
  if (!all.length)
    return says(
      state.platforms.size ? "Every model is hidden: press one in the legend to show it." : "Choose a platform.",
    );
  const budgets = budgetLines(all.flatMap(([, own]) => own));
  const labels = [...new Set(budgets.flatMap((one) => one.points.map(([, [text]]) => text)))];
  const size = { ...room(), right: budgetRoom(labels, 52) }; // room for the names of the levels
  newCanvas(size, [label, ...budgetNames(labels)].join("; "));
  const value = ([kind, own]) => own.map((cell) => toValue(kind === "now" ? cell.now : cell.baseline));
  const values = [...all.flatMap(value), ...budgets.flatMap((one) => one.points.map(([, [, ms]]) => toValue(ms)))];
  const scale = valueScale(values, size.height - size.bottom, size.top);
  const batches = batchesOf(all.flatMap(([, own]) => own));
  const across =
    batches.length > 1
      ? logScale(batches[0], batches.at(-1), size.left + 16, size.width - size.right - 16).at
      : () => (size.left + size.width - size.right) / 2;
  axes(size, scale, label, "images per request (batch size)");
  for (const batch of batches) centred(across(batch), size.height - size.bottom + 18, String(batch));
  const named = [];
  for (const { points, series } of budgets) {
    const ys = points.map(([, [, ms]]) => scale.at(toValue(ms)));
    const straight = ys.every((y) => y === ys[0]);
    const at = straight ? level(size, ys[0]) : points.map(([batch], index) => [across(batch), ys[index]]);
    const stroke = budgets.length > 1 && series.length === 1 ? colour(series[0].model) : null;
    drawBudget(size, at, points.map(([, [text]]) => text), named, stroke);
  }
  const budgetLabels = named.length; // these have two lines
  for (const fps of FPS) {
    const y = scale.at(toValue(1000 / fps));
    if (!(y > size.top + 4 && y < size.height - size.bottom - 4)) continue;
    horizontal(canvas, "fps", size, y);
    // they may overlap on a linear axis
    if (named.some((other, index) => Math.abs(other - y) < (index < budgetLabels ? 20 : 13))) continue;
    named.push(y);
    drawn(canvas, "text", { class: "fps", x: size.width - size.right + 6, y: y + 4 }, `${fps} fps`);
  }
  for (const entry of all) {
    const [kind, own] = entry;
    const group = drawn(canvas, "g", {
      class: `series${kind === "held" ? " baseline" : ""}`,
      "data-series": own[0].series,
      "data-side": kind === "now" ? "now" : "baseline",
    });
    const model = own[0].model,
      figures = value(entry);
    group.style.color = colour(model);
    const points = own.map((cell, index) => [across(cell.batch), scale.at(figures[index])]);
    const dash = kind === "held" ? "" : DASHES[[...state.platforms].indexOf(own[0].platform.id) % DASHES.length];
    drawn(group, "path", { class: "line", d: path(points), stroke: colour(model), "stroke-dasharray": dash });
    own.forEach((cell, index) => {
      const [x, y] = points[index];
      const failed = kind === "now" && fails(cell);
      drawn(group, "path", {
        class: `mark${failed ? " red" : ""}`,
        d: shape(model),
        transform: `translate(${x.toFixed(2)},${y.toFixed(2)})${failed ? " scale(1.5)" : ""}`,
        fill: colour(model),
        "data-cell": cell.id,
        "data-value": figures[index],
      });
      spots.push({ x, y, group, cell });
    });
  }
}
function against() {
  const shown = chosen().filter((cell) => cell.outcome !== null);
  if (!shown.length)
    return says(
      judged
        ? "Nothing was measured for these platforms and models."
        : "No run yet: nothing to compare with the baselines.",
    );
  const narrow = find("plot").clientWidth < 560;
  const blocks = [...new Set(shown.map((cell) => cell.platform))].map((platform) => ({
    platform,
    models: data.models.filter((model) => shown.some((cell) => cell.platform === platform && cell.model === model)),
    batches: batchesOf(shown.filter((cell) => cell.platform === platform)),
  }));
  // names too long for the margin are on their own line above the tiles
  const above = narrow || shown.some((cell) => cell.model.title.length > 26);
  const tile = 30,
    row = tile + (above ? 20 : 0),
    head = 44,
    left = above ? 4 : 190;
  const size = {
    width: room().width,
    height: blocks.reduce((sum, block) => sum + head + row * block.models.length + 12, 0),
  };
  newCanvas(size, "Change against the baseline");
  let top = 0;
  for (const { platform, models, batches } of blocks) {
    const wide = Math.min(96, (size.width - left - 8) / batches.length);
    drawn(canvas, "text", { x: 4, y: top + 16 }, platform.title);
    batches.forEach((batch, column) => centred(left + (column + 0.5) * wide, top + head - 8, `b${batch}`));
    models.forEach((model, line) => {
      const y = top + head + line * row + (above ? 20 : 0);
      const at = above ? { class: "name above", x: left, y: y - 5 } : { class: "name", x: left - 8, y: y + 19 };
      drawn(canvas, "text", at, model.title);
      batches.forEach((batch, column) => {
        const cell = shown.find((each) => each.platform === platform && each.model === model && each.batch === batch);
        if (!cell) return;
        const x = left + column * wide,
          failed = fails(cell);
        const strength = cell.change === null ? 0 : Math.min(1, Math.abs(cell.change) / (2 * (cell.tolerance || 0.1)));
        const side = cell.change === null ? "empty" : cell.change >= 0 ? "slower" : "faster";
        const group = drawn(canvas, "g", { class: "series", "data-series": cell.series });
        drawn(group, "rect", {
          class: `tile ${side}${failed ? " fails" : ""}`,
          x: x + 1,
          y: y + 1,
          width: wide - 2,
          height: tile - 2,
          rx: 4,
          "fill-opacity": side === "empty" ? "" : (0.08 + 0.62 * strength).toFixed(3),
          "data-cell": cell.id,
          "data-value": cell.change,
        });
        const words =
          cell.change === null
            ? cell.outcome === "unavailable"
              ? "x"
              : cell.outcome
            : wide < 52
              ? decided(cell, 0)
              : `${decided(cell)}\u202f%`;
        const text = `${words}${failed && cell.change !== null ? " !" : ""}`;
        const put = { class: `change${failed ? " strong" : ""}`, x: x + wide / 2, y: y + 19 };
        // as large as the tile allows
        drawn(group, "text", put, text).style.fontSize = `${Math.max(7, Math.min(11, (wide - 6) / text.length / 0.62))}px`;
        spots.push({ x: x + wide / 2, y: y + tile / 2, group, cell, reach: Math.max(wide, tile) * 0.7 });
      });
    });
    top += head + row * models.length + 12;
  }
}
function history() {
  const nights = trends.get(state.cell);
  if (!nights) return says("No cell has been measured on two or more nights yet.");
  // the budget of each night's run; if none had one, the cell's
  const own = nights.map((night) => data.budgets[night[6]] ?? null);
  const budgets = own.some(Boolean) ? own : nights.map(() => byId.get(state.cell)?.budget ?? null);
  const labels = budgets.filter(Boolean).map(([label]) => label);
  const size = { ...room(), right: budgetRoom(labels, 40) };
  newCanvas(size, ["Milliseconds per image, night by night", ...budgetNames([...new Set(labels)])].join("; "));
  const values = nights.flatMap(([, now, , , held, tolerance]) =>
    held === null ? [now] : [now, held, held * (1 + (tolerance || 0))],
  );
  for (const budget of budgets) if (budget) values.push(budget[1]);
  const scale = valueScale(values, size.height - size.bottom, size.top);
  const across =
    nights.length > 1
      ? linearScale(0, nights.length - 1, size.left + 16, size.width - size.right - 16).at
      : () => size.width / 2;
  axes(size, scale, "ms per image", "night (UTC)");
  const every = Math.ceil(nights.length / Math.max(2, Math.floor((size.width - size.left) / 90)));
  nights.forEach(([run], index) => {
    if (index % every === 0)
      centred(across(index), size.height - size.bottom + 18, data.runs[run][0].slice(0, 10));
  });
  const heldAt = nights.map((night, index) => [index, night]).filter(([, night]) => night[4] !== null);
  if (heldAt.length > 1) {
    const upper = heldAt.map(([index, night]) => [across(index), scale.at(night[4] * (1 + (night[5] || 0)))]);
    const lower = heldAt.map(([index, night]) => [across(index), scale.at(night[4])]);
    drawn(canvas, "path", { class: "band", d: `${path([...upper, ...[...lower].reverse()])}z` });
    drawn(canvas, "path", { class: "held", d: path(lower) });
  }
  // a step from halfway to the previous night to halfway to the next, interrupted on nights without a budget
  const edge = (index) =>
    index === 0 ? size.left : index === nights.length ? size.width - size.right : across(index - 0.5);
  const steps = [];
  budgets.forEach((budget, index) => {
    if (!budget) return;
    if (!index || !budgets[index - 1]) steps.push([]);
    const y = scale.at(budget[1]);
    steps.at(-1).push([edge(index), y], [edge(index + 1), y]);
  });
  steps.forEach((points, place) => {
    const named = place === steps.length - 1 ? [] : [points.at(-1)[1]]; // only the newest limit has a label
    drawBudget(size, points, labels, named);
  });
  const group = drawn(canvas, "g", { class: "series nights", "data-series": state.cell });
  const points = nights.map(([, now], index) => [across(index), scale.at(now)]);
  drawn(group, "path", { class: "line", d: path(points) });
  nights.forEach((night, index) => {
    const [run, now, outcome, accepted] = night,
      [x, y] = points[index];
    const verdict = data.severity[outcome],
      tone = colourOf(verdict);
    drawn(group, "path", {
      class: `mark ${tone === "green" && verdict !== "improved" ? "" : tone}${accepted ? "" : " left-out"}`,
      d: SHAPES[tone === "red" ? 3 : 0],
      transform: `translate(${x.toFixed(2)},${y.toFixed(2)})`,
      "data-cell": state.cell,
      "data-value": now,
    });
    spots.push({
      x,
      y,
      group,
      night: { run: data.runs[run], now, verdict, accepted, held: night[4], tolerance: night[5], budget: budgets[index] },
    });
  });
}

const OVER = "A faint line with hollow marks is the baseline of a measured line.";
const VIEWS = {
  latency: { name: "Time per image", hint: OVER, over: true, draw: () => byBatch((ms) => ms, "ms per image") },
  speed: {
    name: "Images per second",
    hint: OVER,
    over: true,
    draw: () => byBatch((ms) => 1000 / ms, "images per second"),
  },
  against: {
    name: "Against the baseline",
    hint: "Orange is slower, blue is faster; the full colour is twice the tolerance. A frame and ! mark a failure.",
    draw: against,
  },
  history: {
    name: "History",
    hint:
      "The band is that night's baseline and tolerance. " +
      "A hollow mark is a night that later nights are not compared with.",
    draw: history,
  },
};
