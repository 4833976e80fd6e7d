"use strict";
(() => {
  // ---- the data, as Python wrote it; every text goes into the page as text, never as markup
  const data = JSON.parse(document.getElementById("data").textContent);
  const FAILING = new Set(["regressed", "oom", "crashed", "error", "invalid"]);
  const AMBER = new Set(["unstable", "new", "remeasure"]);
  const GREEN = new Set(["ok", "improved"]);
  const NOT_RUN = "not run";
  const COLOURS = ["#3b78c2", "#d9822b", "#2a9d6f", "#c44e78", "#8a63c9", "#a8851a", "#2a9db5", "#8c5a3c", "#6b8e23", "#7d848c", "#d1495b", "#4c9be8", "#b06ae0"];
  const SHAPES = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-5l4.6,8h-9.2z", "M0,-5.2l4.4,5.2l-4.4,5.2l-4.4,-5.2z", "M0,5l4.6,-8h-9.2z"];
  const DASHES = ["", "8 4", "2 3", "10 3 2 3", "14 5", "5 2", "1 5", "12 2 1 2", "3 6"];
  const FPS = [1, 10, 25];

  const cells = data.cells.map((row) => {
    const cell = Object.fromEntries(data.fields.map((name, place) => [name, row[place] ?? null]));
    cell.platform = data.platforms[cell.platform];
    cell.model = data.models[cell.model];
    cell.source = data.sources[cell.source];
    cell.outcome = cell.outcome === null ? null : data.severity[cell.outcome];
    cell.id = `${cell.platform.id}-${cell.model.id}-b${cell.batch}${cell.scenario ? `-${cell.scenario}` : ""}`;
    cell.value = cell.now ?? cell.baseline;
    return cell;
  });
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const trends = new Map(data.trends);
  const judged = cells.some((cell) => cell.outcome !== null);
  const measured = data.platforms.filter((platform) => platform.measured);

  const state = {
    view: "latency",
    scale: "log",
    platforms: new Set([(measured[0] ?? data.platforms[0] ?? {}).id]),
    hidden: new Set(),
    cell: null,
    sort: { column: judged ? "verdict" : "model", down: false },
    shown: null,
  };

  // ---- words and elements
  const number = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : String(Number(value.toPrecision(3))));
  function signed(value, digits) {
    const text = Math.abs(value * 100).toFixed(digits);
    return `${value < 0 && Number(text) ? "\u2212" : "+"}${text}`;
  }
  const percent = (value) => `${signed(value, Math.abs(value) >= 0.9995 ? 0 : 1)}\u202f%`;
  const share = (value) => `${Number((value * 100).toPrecision(3))}\u202f%`;
  const colourOf = (outcome) => (FAILING.has(outcome) ? "red" : AMBER.has(outcome) ? "amber" : GREEN.has(outcome) ? "green" : "grey");
  const find = (id) => document.getElementById(id);
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
    for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== "") made.setAttribute(key, value);
    if (text !== null) made.textContent = text;
    parent.append(made);
    return made;
  }
  const place = (model) => data.models.indexOf(model);
  const colour = (model) => COLOURS[place(model) % COLOURS.length];
  const shape = (model) => SHAPES[place(model) % SHAPES.length];

  // ---- scales: a value to a pixel, and the ticks that a person expects
  function logScale(low, high, from, to) {
    const least = Math.log(low), span = Math.log(high) - least || 1;
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
    const rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const ticks = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) ticks.push(Number(value.toPrecision(6)));
    return { at, ticks };
  }
  function valueScale(values, bottom, top) {
    const low = Math.min(...values), high = Math.max(...values);
    if (state.scale === "log") return logScale(low / 1.15, high * 1.15, bottom, top);
    return linearScale(state.view === "history" ? low - (high - low || low) * 0.3 : 0, high + (high - low || high) * 0.08, bottom, top);
  }

  // ---- the plot: each view draws into it and leaves its spots, which the pointer and the arrow keys find
  let spots = [];
  let current = -1;
  let canvas = null;
  const room = () => {
    const width = Math.max(280, find("plot").clientWidth);
    return { width, height: Math.round(Math.min(560, Math.max(320, width * 0.52))), left: 58, right: 14, top: 14, bottom: 44 };
  };
  function newCanvas(size, label) {
    find("plot").replaceChildren();
    spots = [];
    current = -1;
    hideTip();
    canvas = drawn(find("plot"), "svg", { viewBox: `0 0 ${size.width} ${size.height}`, height: size.height, tabindex: 0, role: "application", "aria-roledescription": "figure", "aria-label": `${label}. Arrow keys go from value to value, Escape leaves.` });
    return canvas;
  }
  function says(text) {
    find("plot").replaceChildren(element("p", { class: "note" }, text));
    canvas = null;
    spots = [];
  }
  function axes(size, scale, label, named) {
    for (const value of scale.ticks) {
      const y = scale.at(value);
      const tick = drawn(canvas, "g", { class: "tick", "data-value": value, "data-y": y });
      drawn(tick, "line", { class: "grid", x1: size.left, x2: size.width - size.right, y1: y, y2: y });
      drawn(tick, "text", { x: size.left - 7, y: y + 4, "text-anchor": "end" }, number(value));
    }
    drawn(canvas, "line", { class: "axis", x1: size.left, x2: size.width - size.right, y1: size.height - size.bottom, y2: size.height - size.bottom });
    drawn(canvas, "text", { x: 14, y: (size.top + size.height - size.bottom) / 2, transform: `rotate(-90 14 ${(size.top + size.height - size.bottom) / 2})`, "text-anchor": "middle" }, label);
    drawn(canvas, "text", { x: (size.left + size.width - size.right) / 2, y: size.height - 6, "text-anchor": "middle" }, named);
  }
  const path = (points) => points.map(([x, y], number) => `${number ? "L" : "M"}${x.toFixed(2)},${y.toFixed(2)}`).join("");

  const chosen = () => cells.filter((cell) => state.platforms.has(cell.platform.id) && !state.hidden.has(cell.model.id));
  function lines(side) {
    const found = new Map();
    for (const cell of chosen()) {
      if (cell[side] === null) continue;
      const id = [cell.platform.id, cell.model.id, cell.scenario].filter(Boolean).join("/");
      if (!found.has(id)) found.set(id, []);
      found.get(id).push(cell);
    }
    return found;
  }
  function byBatch(toValue, label) {
    const size = room();
    const now = lines("now"), held = lines("baseline");
    const all = [...now.entries()].map(([id, own]) => ["now", id, own]);
    // where a platform was measured its baseline stands behind, fainter; one that was not shows its baseline alone
    for (const [id, own] of held) all.unshift([own[0].platform.measured && judged ? "held" : "baseline", id, own]);
    if (!all.length) return says(state.platforms.size ? "Every model is hidden: press one in the legend to show it." : "Choose a platform.");
    newCanvas(size, label);
    const value = ([kind, , own]) => own.map((cell) => toValue(kind === "now" ? cell.now : cell.baseline));
    const values = all.flatMap(value);
    const scale = valueScale(values, size.height - size.bottom, size.top);
    const batches = [...new Set(all.flatMap(([, , own]) => own.map((cell) => cell.batch)))].sort((a, b) => a - b);
    const across = batches.length > 1 ? logScale(batches[0], batches.at(-1), size.left + 16, size.width - size.right - 16).at : () => (size.left + size.width - size.right) / 2;
    axes(size, scale, label, "images per request (batch size)");
    for (const batch of batches) drawn(canvas, "text", { x: across(batch), y: size.height - size.bottom + 18, "text-anchor": "middle" }, String(batch));
    for (const fps of FPS) {
      const y = scale.at(toValue(1000 / fps));
      if (!(y > size.top + 4 && y < size.height - size.bottom - 4)) continue;
      drawn(canvas, "line", { class: "fps", x1: size.left, x2: size.width - size.right, y1: y, y2: y });
      drawn(canvas, "text", { class: "fps", x: size.width - size.right - 2, y: y - 4, "text-anchor": "end" }, `${fps} fps`);
    }
    for (const entry of all) {
      const [kind, id, own] = entry;
      const group = drawn(canvas, "g", { class: `series${kind === "held" ? " baseline" : ""}`, "data-series": id, "data-side": kind === "now" ? "now" : "baseline" });
      const model = own[0].model, figures = value(entry);
      group.style.color = colour(model);
      const points = own.map((cell, index) => [across(cell.batch), scale.at(figures[index])]);
      const dash = kind === "held" ? "" : DASHES[[...state.platforms].indexOf(own[0].platform.id) % DASHES.length];
      drawn(group, "path", { class: "line", d: path(points), stroke: colour(model), "stroke-dasharray": dash });
      own.forEach((cell, index) => {
        const [x, y] = points[index];
        const failed = kind === "now" && FAILING.has(cell.outcome);
        drawn(group, "path", { class: `mark${failed ? " red" : ""}`, d: shape(model), transform: `translate(${x.toFixed(2)},${y.toFixed(2)})${failed ? " scale(1.5)" : ""}`, fill: colour(model), "data-cell": cell.id, "data-value": figures[index] });
        spots.push({ x, y, group, cell });
      });
    }
  }
  function against() {
    const own = chosen().filter((cell) => cell.outcome !== null || cell.baseline !== null);
    const shown = own.filter((cell) => cell.change !== null || cell.outcome !== null);
    if (!shown.length) return says(judged ? "Nothing was measured of these platforms and models." : "No run: nothing is held against the baselines yet.");
    const narrow = find("plot").clientWidth < 560;
    const blocks = [...new Set(shown.map((cell) => cell.platform))].map((platform) => ({
      platform,
      models: data.models.filter((model) => shown.some((cell) => cell.platform === platform && cell.model === model)),
      batches: [...new Set(shown.filter((cell) => cell.platform === platform).map((cell) => cell.batch))].sort((a, b) => a - b),
    }));
    const row = 30, head = 44, left = narrow ? 118 : 190;
    const size = { width: Math.max(280, find("plot").clientWidth), height: blocks.reduce((sum, block) => sum + head + row * block.models.length + 12, 0) };
    newCanvas(size, "Change against the baseline");
    let top = 0;
    for (const { platform, models, batches } of blocks) {
      const wide = Math.min(96, (size.width - left - 8) / batches.length);
      drawn(canvas, "text", { x: 4, y: top + 16 }, platform.title);
      batches.forEach((batch, column) => drawn(canvas, "text", { x: left + (column + 0.5) * wide, y: top + head - 8, "text-anchor": "middle" }, `b${batch}`));
      models.forEach((model, line) => {
        const y = top + head + line * row;
        drawn(canvas, "text", { class: "name", x: left - 8, y: y + 19 }, narrow ? model.id.length > 15 ? `${model.id.slice(0, 14)}\u2026` : model.id : model.title);
        batches.forEach((batch, column) => {
          const cell = shown.find((each) => each.platform === platform && each.model === model && each.batch === batch);
          if (!cell) return;
          const x = left + column * wide, failed = FAILING.has(cell.outcome);
          const strength = cell.change === null ? 0 : Math.min(1, Math.abs(cell.change) / (2 * (cell.tolerance || 0.1)));
          const side = cell.change === null ? "empty" : cell.change >= 0 ? "slower" : "faster";
          const group = drawn(canvas, "g", { class: "series", "data-series": `${platform.id}/${model.id}` });
          drawn(group, "rect", { class: `tile ${side}${failed ? " fails" : ""}`, x: x + 1, y: y + 1, width: wide - 2, height: row - 2, rx: 4, "fill-opacity": side === "empty" ? "" : (0.08 + 0.62 * strength).toFixed(3), "data-cell": cell.id, "data-value": cell.change });
          const words = cell.change === null ? (cell.outcome === "unavailable" ? "x" : cell.outcome) : wide < 52 ? signed(cell.change, 0) : percent(cell.change);
          drawn(group, "text", { class: `change${failed ? " strong" : ""}`, x: x + wide / 2, y: y + 19 }, `${words.slice(0, Math.max(3, Math.floor(wide / 6.5)))}${failed && cell.change !== null ? " !" : ""}`);
          spots.push({ x: x + wide / 2, y: y + row / 2, group, cell, reach: Math.max(wide, row) * 0.7 });
        });
      });
      top += head + row * models.length + 12;
    }
  }
  function history() {
    const nights = trends.get(state.cell);
    if (!nights) return says("No cell was measured on two nights or more yet.");
    const size = { ...room(), right: 40 };
    newCanvas(size, "Milliseconds per image, night by night");
    const values = nights.flatMap(([, now, , , held, tolerance]) => (held === null ? [now] : [now, held, held * (1 + (tolerance || 0))]));
    const scale = valueScale(values, size.height - size.bottom, size.top);
    const across = nights.length > 1 ? linearScale(0, nights.length - 1, size.left + 16, size.width - size.right - 16).at : () => size.width / 2;
    axes(size, scale, "ms per image", "night (UTC)");
    const every = Math.ceil(nights.length / Math.max(2, Math.floor((size.width - size.left) / 90)));
    nights.forEach(([run], index) => {
      if (index % every === 0) drawn(canvas, "text", { x: across(index), y: size.height - size.bottom + 18, "text-anchor": "middle" }, data.runs[run][0].slice(0, 10));
    });
    const heldAt = nights.map((night, index) => [index, night]).filter(([, night]) => night[4] !== null);
    if (heldAt.length > 1) {
      const upper = heldAt.map(([index, night]) => [across(index), scale.at(night[4] * (1 + (night[5] || 0)))]);
      const lower = heldAt.map(([index, night]) => [across(index), scale.at(night[4])]);
      drawn(canvas, "path", { class: "band", d: `${path([...upper, ...[...lower].reverse()])}z` });
      drawn(canvas, "path", { class: "held", d: path(lower) });
    }
    const group = drawn(canvas, "g", { class: "series nights", "data-series": state.cell });
    const points = nights.map(([, now], index) => [across(index), scale.at(now)]);
    drawn(group, "path", { class: "line", d: path(points) });
    nights.forEach((night, index) => {
      const [run, now, outcome, accepted] = night, [x, y] = points[index];
      const verdict = data.severity[outcome], tone = colourOf(verdict);
      drawn(group, "path", { class: `mark ${tone === "green" && verdict !== "improved" ? "" : tone}${accepted ? "" : " left-out"}`, d: SHAPES[tone === "red" ? 3 : 0], transform: `translate(${x.toFixed(2)},${y.toFixed(2)})`, "data-cell": state.cell, "data-value": now });
      spots.push({ x, y, group, night: { run: data.runs[run], now, verdict, accepted, held: night[4], tolerance: night[5] } });
    });
  }

  const VIEWS = {
    latency: { name: "Time per image", hint: "A faint line with hollow marks is the baseline of what was measured.", draw: () => byBatch((ms) => ms, "ms per image") },
    speed: { name: "Images per second", hint: "A faint line with hollow marks is the baseline of what was measured.", draw: () => byBatch((ms) => 1000 / ms, "images per second") },
    against: { name: "Against the baseline", hint: "Orange is slower, blue is faster; the full colour is twice the tolerance. A frame and ! fail.", draw: against },
    history: { name: "History", hint: "The band is what the tolerance allows over that night's baseline. A hollow mark is a night that later ones are not held against.", draw: history },
  };

  // ---- hovering
  const line = (...parts) => element("div", {}, ...parts);
  function told(spot) {
    if (spot.night) {
      const { run, now, verdict, accepted, held, tolerance } = spot.night;
      return [
        element("strong", {}, `${number(now)} ms per image`),
        line(`${run[0].replace("T", " ").slice(0, 16)}, ${verdict}${accepted ? ", accepted" : ""}`),
        ...(held === null ? [] : [line(`baseline ${number(held)} ms, ${percent(now / held - 1)}${tolerance === null ? "" : `, tolerance ${share(tolerance)}`}`)]),
        line(`run ${run[1]}`),
        ...(run[2] ? [line(`commit ${run[2].slice(0, 12)}`)] : []),
      ];
    }
    const cell = spot.cell;
    const lines = [element("strong", {}, `${cell.model.title}, batch ${cell.batch}${cell.scenario ? `, ${cell.scenario}` : ""}`), line(cell.platform.title)];
    if (cell.now !== null) lines.push(line(`measured ${number(cell.now)} ms per image, ${number(1000 / cell.now)} images/s`));
    if (cell.baseline !== null) lines.push(line(`baseline ${number(cell.baseline)} ms per image${cell.now === null ? `, ${number(1000 / cell.baseline)} images/s` : ""} (${cell.kind})`));
    if (cell.change !== null) lines.push(line(`change ${percent(cell.change)}${cell.sees === null ? "" : `, the gate sees \u2265 ${share(cell.sees)}`}`));
    if (cell.outcome !== null) lines.push(line(element("span", { class: `badge ${colourOf(cell.outcome)}` }, cell.outcome)));
    return lines;
  }
  function look(index) {
    const spot = spots[index];
    if (!spot) return hideTip();
    if (index === current && !find("tip").hidden) return;
    current = index;
    canvas.querySelectorAll(".ring").forEach((ring) => ring.remove());
    canvas.querySelectorAll(".looked").forEach((group) => group.classList.remove("looked"));
    canvas.classList.toggle("looking", state.view === "latency" || state.view === "speed");
    canvas.querySelectorAll(".series").forEach((group) => group.classList.toggle("looked", group.dataset.series === spot.group.dataset.series));
    drawn(canvas, "circle", { class: "ring", cx: spot.x, cy: spot.y, r: 8 });
    const tip = find("tip");
    tip.replaceChildren(...told(spot));
    tip.hidden = false;
    const frame = tip.parentElement.getBoundingClientRect(), plot = canvas.getBoundingClientRect();
    const x = plot.left - frame.left + spot.x, y = plot.top - frame.top + spot.y;
    const left = x + 16 + tip.offsetWidth > frame.width ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = `${Math.max(4, Math.min(left, frame.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, y - tip.offsetHeight / 2)}px`;
  }
  function hideTip() {
    find("tip").hidden = true;
    current = -1;
    if (!canvas) return;
    canvas.classList.remove("looking");
    canvas.querySelectorAll(".ring").forEach((ring) => ring.remove());
  }
  function nearest(event) {
    const frame = canvas.getBoundingClientRect();
    const x = event.clientX - frame.left, y = event.clientY - frame.top;
    let best = -1, least = Infinity;
    spots.forEach((spot, index) => {
      const away = Math.hypot(spot.x - x, spot.y - y);
      if (away < least && away <= (spot.reach ?? 28)) [best, least] = [index, away];
    });
    return best;
  }
  function step(key) {
    if (!spots.length) return false;
    if (key === "Escape") return hideTip(), true;
    const from = spots[current];
    if (key === "Home" || (!from && key.startsWith("Arrow"))) return look(0), true;
    if (key === "End") return look(spots.length - 1), true;
    if (key === "ArrowRight" || key === "ArrowLeft") return look((current + (key === "ArrowRight" ? 1 : -1) + spots.length) % spots.length), true;
    if (key !== "ArrowUp" && key !== "ArrowDown") return false;
    let best = current, least = Infinity;
    spots.forEach((spot, index) => {
      const up = key === "ArrowUp" ? from.y - spot.y : spot.y - from.y;
      if (up > 0.01 && Math.abs(spot.x - from.x) < 2 && up < least) [best, least] = [index, up];
    });
    return look(best), true;
  }
  find("plot").addEventListener("pointermove", (event) => canvas && look(nearest(event)));
  find("plot").addEventListener("pointerdown", (event) => canvas && look(nearest(event)));
  find("plot").addEventListener("pointerleave", hideTip);
  find("plot").addEventListener("focusout", hideTip);
  find("plot").addEventListener("keydown", (event) => {
    if (canvas && step(event.key)) event.preventDefault();
  });

  // ---- the controls
  function chip(text, pressed, press, attributes = {}) {
    return element("button", { type: "button", class: "chip", "aria-pressed": String(pressed), onclick: press, ...attributes }, text);
  }
  function choices(id, entries, isChosen, choose, attribute) {
    const box = find(id), focused = document.activeElement?.dataset?.[attribute];
    box.replaceChildren(box.querySelector("legend"), ...entries.map(([key, text, off]) => chip(text, isChosen(key), () => choose(key), { [`data-${attribute}`]: key, disabled: Boolean(off) })));
    if (focused !== undefined && box.querySelector(`[data-${attribute}="${CSS.escape(focused)}"]`)) box.querySelector(`[data-${attribute}="${CSS.escape(focused)}"]`).focus();
  }
  function controls() {
    choices("views", Object.entries(VIEWS).map(([key, view]) => [key, view.name, (key === "against" && !judged) || (key === "history" && !trends.size)]), (key) => key === state.view, (key) => set({ view: key }), "view");
    choices("scales", [["log", "logarithmic"], ["linear", "linear"]], (key) => key === state.scale, (key) => set({ scale: key }), "scale");
    choices("platforms", data.platforms.map((platform) => [platform.id, platform.title]), (key) => state.platforms.has(key), (key) => {
      const chosenNow = new Set(state.platforms);
      if (!chosenNow.delete(key)) chosenNow.add(key);
      set({ platforms: chosenNow });
    }, "platform");
    find("scales").hidden = state.view === "against";
    find("platforms").hidden = state.view === "history" || data.platforms.length < 2;
    find("cell-choice").hidden = state.view !== "history";
    find("cell").value = state.cell ?? "";
  }
  function legend() {
    const box = find("legend"), focused = document.activeElement?.dataset?.model;
    box.hidden = state.view === "history";
    const there = data.models.filter((model) => cells.some((cell) => cell.model === model && state.platforms.has(cell.platform.id) && cell.value !== null));
    const items = there.map((model) => {
      const item = chip("", !state.hidden.has(model.id), () => {
        const hidden = new Set(state.hidden);
        if (!hidden.delete(model.id)) hidden.add(model.id);
        set({ hidden });
      }, { "data-model": model.id, title: [model.accuracy == null ? "" : `top-1 ${model.accuracy} %`, model.gflops == null ? "" : `${model.gflops} GFLOPs`].filter(Boolean).join(", ") });
      const sample = drawn(item, "svg", { viewBox: "0 0 22 12", "aria-hidden": "true" });
      drawn(sample, "line", { x1: 0, x2: 22, y1: 6, y2: 6, stroke: colour(model), "stroke-width": 2 });
      drawn(sample, "path", { d: shape(model), transform: "translate(11,6)", fill: colour(model) });
      item.append(model.title);
      return item;
    });
    const all = there.every((model) => !state.hidden.has(model.id));
    items.push(element("button", { type: "button", class: "chip", "data-model": "", onclick: () => set({ hidden: new Set(all ? there.map((model) => model.id) : []) }) }, all ? "hide all" : "show all"));
    box.replaceChildren(...items);
    if (focused !== undefined) box.querySelector(`[data-model="${CSS.escape(focused)}"]`)?.focus();
  }
  function title() {
    const platforms = data.platforms.filter((platform) => state.platforms.has(platform.id));
    const named = platforms.map((platform, index) => `${platform.title}${platforms.length > 1 ? ` (${["solid", "dashes", "dots", "dash-dot"][[...state.platforms].indexOf(platform.id)] ?? "another dash"})` : platform.facts.length ? ` (${platform.facts.join(", ")})` : ""}`);
    find("figure-title").textContent = state.view === "history" ? `${state.cell ?? ""}${data.shortened ? `: the last ${data.shortened} nights of each cell` : ""}` : `${VIEWS[state.view].name}: ${named.join("; ") || "no platform chosen"}`;
    find("hint").textContent = state.view === "latency" || state.view === "speed" ? (measured.some((platform) => state.platforms.has(platform.id)) && judged ? VIEWS[state.view].hint : "") : VIEWS[state.view].hint;
  }
  function set(change) {
    Object.assign(state, change);
    render();
  }
  function render() {
    controls();
    legend();
    title();
    VIEWS[state.view].draw();
  }

  // ---- the table
  const severity = (cell) => (cell.outcome === null ? data.severity.length : data.severity.indexOf(cell.outcome));
  const order = (list, item) => list.indexOf(item);
  const COLUMNS = [
    { key: "verdict", name: "Verdict", by: severity, show: (cell) => (cell.outcome === null ? "" : element("span", { class: `badge ${colourOf(cell.outcome)}` }, cell.outcome)), run: true },
    { key: "platform", name: "Platform", by: (cell) => order(data.platforms, cell.platform), show: (cell) => cell.platform.title },
    { key: "model", name: "Model", by: (cell) => order(data.models, cell.model), show: (cell) => element("button", { type: "button", class: "plain", title: `show ${cell.id} above`, onclick: () => showCell(cell) }, cell.model.title) },
    { key: "batch", name: "Batch", figure: true, by: (cell) => cell.batch, show: (cell) => `${cell.batch}${cell.scenario ? ` ${cell.scenario}` : ""}` },
    { key: "now", name: "Now, ms", figure: true, by: (cell) => cell.now, show: (cell) => (cell.now === null ? "" : number(cell.now)), run: true },
    { key: "baseline", name: "Baseline, ms", figure: true, by: (cell) => cell.baseline, show: (cell) => (cell.baseline === null ? (cell.x ? "x" : "") : number(cell.baseline)) },
    { key: "change", name: "Change", figure: true, by: (cell) => cell.change, show: (cell) => (cell.change === null ? "" : percent(cell.change)), run: true },
    { key: "tolerance", name: "Tolerance", figure: true, by: (cell) => cell.tolerance, show: (cell) => (cell.tolerance === null ? "" : share(cell.tolerance)), run: true },
    { key: "sees", name: "Gate sees", figure: true, by: (cell) => cell.sees, show: (cell) => (cell.sees === null ? "" : `\u2265 ${share(cell.sees)}`), run: true },
    { key: "speed", name: "Images/s", figure: true, by: (cell) => (cell.value ? 1000 / cell.value : null), show: (cell) => (cell.value ? number(1000 / cell.value) : "") },
    { key: "kind", name: "Held against", by: (cell) => cell.kind || null, show: (cell) => element("span", { title: cell.source ?? "" }, cell.kind ?? "") },
  ].filter((column) => (judged || !column.run) && (column.key !== "platform" || data.platforms.length > 1));
  if (!judged && data.platforms.length > 1) state.sort.column = "platform";
  const searched = new Map(cells.map((cell) => [cell, [cell.id, cell.platform.title, cell.model.title, cell.outcome ?? NOT_RUN, cell.kind, cell.why].join(" ").toLowerCase()]));
  const kinds = [...data.severity.filter((outcome) => cells.some((cell) => cell.outcome === outcome)), ...(cells.some((cell) => cell.outcome === null) ? [NOT_RUN] : [])];
  state.shown = new Set(judged ? kinds.filter((kind) => kind !== NOT_RUN) : kinds);

  function compare(column, down) {
    return (one, other) => {
      const a = column.by(one), b = column.by(other);
      if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // what is not there stands last, either way
      const difference = typeof a === "string" ? a.localeCompare(b) : a - b;
      return down ? -difference : difference;
    };
  }
  function rows() {
    const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const column = COLUMNS.find((each) => each.key === state.sort.column);
    const wanted = cells.filter((cell) => state.shown.has(cell.outcome ?? NOT_RUN) && words.every((word) => searched.get(cell).includes(word)));
    // equal ones: the greatest change first, as in the list of what needs a look; then the order of the tables
    if (column.key === "verdict") wanted.sort((one, other) => (other.change ?? -Infinity) - (one.change ?? -Infinity) || 0);
    return wanted.sort(compare(column, state.sort.down));
  }
  function tableHead() {
    const row = element("tr", {}, ...COLUMNS.map((column) => {
      const sorted = state.sort.column === column.key;
      return element("th", { scope: "col", class: column.figure ? "figure" : null, "aria-sort": sorted ? (state.sort.down ? "descending" : "ascending") : "none", "data-column": column.key },
        element("button", { type: "button", "data-sort": column.key, onclick: () => {
          state.sort = { column: column.key, down: sorted ? !state.sort.down : false };
          table();
          find("table").querySelector(`[data-sort="${column.key}"]`).focus();
        } }, column.name));
    }));
    find("table").tHead.replaceChildren(row);
  }
  function table() {
    tableHead();
    const wanted = rows();
    find("table").tBodies[0].replaceChildren(...wanted.map((cell) => element("tr", { "data-cell": cell.id }, ...COLUMNS.map((column) => element("td", { class: column.figure ? "figure" : null, "data-column": column.key }, column.show(cell))))));
    find("count").textContent = `${wanted.length} of ${cells.length} cells`;
    if (judged) choices("verdicts", kinds.map((kind) => [kind, `${kind} ${cells.filter((cell) => (cell.outcome ?? NOT_RUN) === kind).length}`]), (kind) => state.shown.has(kind), (kind) => {
      if (!state.shown.delete(kind)) state.shown.add(kind);
      table();
    }, "verdict");
    find("verdicts").hidden = !judged;
  }
  function showCell(cell) {
    if (trends.has(cell.id)) set({ view: "history", cell: cell.id });
    else set({ view: "latency", platforms: new Set([cell.platform.id]), hidden: new Set(data.models.filter((model) => model !== cell.model).map((model) => model.id)) });
    find("explore").scrollIntoView({ block: "start" });
  }

  // ---- begin
  const histories = [...trends.keys()].sort((one, other) => severity(byId.get(one) ?? { outcome: null }) - severity(byId.get(other) ?? { outcome: null }));
  state.cell = histories[0] ?? null;
  find("cell").append(...histories.map((id) => element("option", { value: id }, `${id}${byId.get(id)?.outcome ? ` (${byId.get(id).outcome})` : ""}`)));
  find("cell").addEventListener("change", (event) => set({ cell: event.target.value }));
  find("filter").addEventListener("input", table);
  find("explore").hidden = find("cells").hidden = !cells.length;
  if (cells.length) {
    render();
    table();
    let width = find("plot").clientWidth;
    new ResizeObserver(() => {
      if (find("plot").clientWidth !== width) {
        width = find("plot").clientWidth;
        VIEWS[state.view].draw();
      }
    }).observe(find("plot"));
  }
})();
