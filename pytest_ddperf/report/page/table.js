// ---- the table
const figure = (key, name, format, more) => ({
  key,
  name,
  figure: true,
  by: (cell) => cell[key],
  show: (cell) => (cell[key] === null ? "" : format(cell[key], cell)),
  ...more,
});
const COLUMNS = [
  {
    key: "verdict",
    name: "Verdict",
    by: severity,
    show: (cell) =>
      cell.outcome === null ? "" : element("span", { class: `badge ${colourOf(cell.outcome)}`, title: cell.why ?? "" }, cell.outcome),
    run: true,
  },
  {
    key: "platform",
    name: "Platform",
    by: (cell) => data.platforms.indexOf(cell.platform),
    show: (cell) => cell.platform.title,
  },
  {
    key: "model",
    name: "Model",
    by: (cell) => place(cell.model),
    show: (cell) =>
      element(
        "button",
        { type: "button", class: "plain", title: `show ${cell.id} above`, onclick: () => showCell(cell) },
        cell.model.title,
      ),
  },
  figure("batch", "Batch", (batch, cell) => `${batch}${cell.scenario ? ` ${cell.scenario}` : ""}`),
  figure("now", "Now, ms", number, { run: true }),
  figure("baseline", "Baseline, ms", number, {
    show: (cell) => (cell.baseline === null ? (cell.x ? "x" : "") : number(cell.baseline)),
  }),
  figure("change", "Change", (_, cell) => `${decided(cell)}\u202f%`, { run: true }),
  figure("tolerance", "Tolerance", share, { run: true }),
  figure("sees", "Resolution", share, { run: true }),
  figure("speed", "Images/s", number),
  figure("budget", "Budget", ([label]) => label, { by: (cell) => cell.budget && cell.budget[1] }),
  {
    key: "kind",
    name: "Baseline from",
    by: (cell) => cell.kind || null,
    show: (cell) => (cell.kind ? element("span", { title: cell.source ?? "" }, cell.kind) : ""),
  },
].filter(
  (column) =>
    (judged || !column.run) &&
    (column.key !== "platform" || data.platforms.length > 1) &&
    (column.key !== "budget" || data.budgets.length),
);
if (!judged && data.platforms.length > 1) state.sort.column = "platform";
const searched = new Map(
  cells.map((cell) => [
    cell,
    [cell.id, cell.platform.title, cell.model.title, cell.outcome ?? NOT_RUN, cell.kind, cell.why]
      .join(" ")
      .toLowerCase(),
  ]),
);
const kinds = [
  ...data.severity.filter((outcome) => cells.some((cell) => cell.outcome === outcome)),
  ...(cells.some((cell) => cell.outcome === null) ? [NOT_RUN] : []),
];
state.shown = new Set(judged ? kinds.filter((kind) => kind !== NOT_RUN) : kinds);

function compare(column, down) {
  return (one, other) => {
    const a = column.by(one),
      b = column.by(other);
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // missing values are last in both orders
    const difference = typeof a === "string" ? a.localeCompare(b) : a - b;
    return down ? -difference : difference;
  };
}
function matching() {
  const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  return cells.filter((cell) => words.every((word) => searched.get(cell).includes(word)));
}
function rows() {
  const column = COLUMNS.find((each) => each.key === state.sort.column);
  const wanted = matching().filter((cell) => state.shown.has(cell.outcome ?? NOT_RUN));
  // equal verdicts: greatest change first, as in the list of failed cells; then the order of the tables
  if (column.key === "verdict")
    wanted.sort((one, other) => (other.change ?? -Infinity) - (one.change ?? -Infinity) || 0);
  return wanted.sort(compare(column, state.sort.down));
}
function tableHead() {
  const row = element(
    "tr",
    {},
    ...COLUMNS.map((column) => {
      const sorted = state.sort.column === column.key;
      return element(
        "th",
        {
          scope: "col",
          class: column.figure ? "figure" : null,
          "aria-sort": sorted ? (state.sort.down ? "descending" : "ascending") : "none",
          "data-column": column.key,
        },
        element(
          "button",
          {
            type: "button",
            "data-sort": column.key,
            onclick: () => {
              state.sort = { column: column.key, down: sorted ? !state.sort.down : false };
              table();
              find("table").querySelector(`[data-sort="${column.key}"]`).focus();
            },
          },
          column.name,
        ),
      );
    }),
  );
  find("table").tHead.replaceChildren(row);
}
function nothingFound() {
  const filter = find("filter").value.trim(),
    others = matching().length;
  const text = filter ? `No cell matches \u201c${filter}\u201d` : "No cell is shown";
  const hint = others ? `: ${others} ${others === 1 ? "has a verdict" : "have verdicts"} that you switched off. ` : ". ";
  const reset = () => {
    find("filter").value = "";
    state.shown = new Set(kinds);
    table();
    find("filter").focus();
  };
  const button = element("button", { type: "button", class: "plain", id: "show-all", onclick: reset }, "Show all cells");
  return element("tr", { class: "nothing" }, element("td", { colspan: COLUMNS.length }, text + hint, button));
}
function table() {
  tableHead();
  const wanted = rows();
  find("table").tBodies[0].replaceChildren(
    ...(wanted.length ? [] : [nothingFound()]),
    ...wanted.map((cell) =>
      element(
        "tr",
        { "data-cell": cell.id },
        ...COLUMNS.map((column) =>
          element(
            "td",
            { class: column.figure ? "figure" : null, "data-column": column.key, "data-label": column.name },
            column.show(cell),
          ),
        ),
      ),
    ),
  );
  find("count").textContent = `${wanted.length} of ${cells.length} cells`;
  if (judged)
    choices(
      "verdicts",
      kinds.map((kind) => [kind, `${kind} ${cells.filter((cell) => (cell.outcome ?? NOT_RUN) === kind).length}`]),
      (kind) => state.shown.has(kind),
      (kind) => {
        state.shown = toggled(state.shown, kind);
        table();
      },
      "verdict",
    );
  find("verdicts").hidden = !judged;
}
function showCell(cell) {
  if (trends.has(cell.id)) set({ view: "history", cell: cell.id });
  else
    set({
      view: "latency",
      platforms: new Set([cell.platform.id]),
      hidden: new Set(data.models.filter((model) => model !== cell.model).map((model) => model.id)),
    });
  find("explore").scrollIntoView({ block: "start" });
}

// ---- begin
const histories = [...trends.keys()].sort((one, other) => severity(byId.get(one)) - severity(byId.get(other)));
state.cell = histories[0] ?? null;
find("cell").append(
  ...histories.map((id) =>
    element("option", { value: id }, `${id}${byId.get(id)?.outcome ? ` (${byId.get(id).outcome})` : ""}`),
  ),
);
find("cell").addEventListener("change", (event) => set({ cell: event.target.value }));
find("filter").addEventListener("input", table);
for (const link of document.querySelectorAll("a.cell"))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    showCell(byId.get(link.dataset.cell));
  });
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
