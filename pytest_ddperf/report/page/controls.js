// ---- the controls
function chip(text, pressed, press, attributes = {}) {
  return element(
    "button",
    { type: "button", class: "chip", "aria-pressed": String(pressed), onclick: press, ...attributes },
    text,
  );
}
function choices(id, entries, isChosen, choose, attribute) {
  const box = find(id),
    focused = document.activeElement?.dataset?.[attribute];
  box.replaceChildren(
    box.querySelector("legend"),
    ...entries.map(([key, text, off]) =>
      chip(text, isChosen(key), () => choose(key), { [`data-${attribute}`]: key, disabled: Boolean(off) }),
    ),
  );
  if (focused !== undefined) box.querySelector(`[data-${attribute}="${CSS.escape(focused)}"]`)?.focus();
}
function controls() {
  choices(
    "views",
    Object.entries(VIEWS).map(([key, view]) => [
      key,
      view.name,
      (key === "against" && !judged) || (key === "history" && !trends.size),
    ]),
    (key) => key === state.view,
    (key) => set({ view: key }),
    "view",
  );
  choices(
    "scales",
    [
      ["log", "logarithmic"],
      ["linear", "linear"],
    ],
    (key) => key === state.scale,
    (key) => set({ scale: key }),
    "scale",
  );
  choices(
    "platforms",
    data.platforms.map((platform) => [platform.id, platform.title]),
    (key) => state.platforms.has(key),
    (key) => set({ platforms: toggled(state.platforms, key) }),
    "platform",
  );
  find("scales").hidden = state.view === "against";
  find("platforms").hidden = state.view === "history" || data.platforms.length < 2;
  find("cell-choice").hidden = state.view !== "history";
  find("cell").value = state.cell ?? "";
}
function legend() {
  const box = find("legend"),
    focused = document.activeElement?.dataset?.model;
  box.hidden = state.view === "history";
  const there = data.models.filter((model) =>
    cells.some((cell) => cell.model === model && state.platforms.has(cell.platform.id) && cell.value !== null),
  );
  const items = there.map((model) => {
    const item = chip(
      "",
      !state.hidden.has(model.id),
      () => set({ hidden: toggled(state.hidden, model.id) }),
      {
        "data-model": model.id,
        title: [
          model.top1 == null ? "" : `top-1 ${model.top1} %`,
          model.top5 == null ? "" : `top-5 ${model.top5} %`,
          model.gflops == null ? "" : `${model.gflops} GFLOPs`,
        ]
          .filter(Boolean)
          .join(", "),
      },
    );
    const sample = drawn(item, "svg", { viewBox: "0 0 22 12", "aria-hidden": "true" });
    drawn(sample, "line", { x1: 0, x2: 22, y1: 6, y2: 6, stroke: colour(model), "stroke-width": 2 });
    drawn(sample, "path", { d: shape(model), transform: "translate(11,6)", fill: colour(model) });
    item.append(model.title);
    return item;
  });
  const all = there.every((model) => !state.hidden.has(model.id));
  const toggleAll = () => set({ hidden: new Set(all ? there.map((model) => model.id) : []) });
  items.push(chip(all ? "hide all" : "show all", null, toggleAll, { "data-model": "", "aria-pressed": null }));
  box.replaceChildren(...items);
  if (focused !== undefined) box.querySelector(`[data-model="${CSS.escape(focused)}"]`)?.focus();
}
const DASH_NAMES = ["solid", "dashes", "dots", "dash-dot"];
function titleOf(platform, alone) {
  if (alone) return [platform.title, platform.facts.join(", ")].filter(Boolean).join(": ");
  return `${platform.title} (${DASH_NAMES[[...state.platforms].indexOf(platform.id)] ?? "another dash"})`;
}
function title() {
  const view = VIEWS[state.view];
  if (state.view === "history") {
    const shortened = data.shortened ? `: the last ${data.shortened} nights of each cell` : "";
    find("figure-title").textContent = `${state.cell ?? ""}${shortened}`;
  } else {
    const platforms = data.platforms.filter((platform) => state.platforms.has(platform.id));
    const named = platforms.map((platform) => titleOf(platform, platforms.length === 1));
    find("figure-title").textContent = `${view.name}: ${named.join("; ") || "no platform chosen"}`;
  }
  const overBaselines = judged && measured.some((platform) => state.platforms.has(platform.id));
  find("hint").textContent = view.over && !overBaselines ? "" : view.hint;
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
