// ---- hovering
const line = (...parts) => element("div", {}, ...parts);
function nightTold({ run, now, verdict, accepted, held, tolerance, budget }) {
  const [started, name, commit] = run;
  const lines = [
    element("strong", {}, `${number(now)} ms per image`),
    line(`${started.replace("T", " ").slice(0, 16)}, ${verdict}${accepted ? ", accepted" : ""}`),
  ];
  if (held !== null) {
    const allowed = tolerance === null ? "" : `, tolerance ${share(tolerance)}`;
    lines.push(line(`baseline ${number(held)} ms, ${decided({ change: now / held - 1, tolerance })}\u202f%${allowed}`));
  }
  if (budget) lines.push(line(headroom(now, budget)));
  lines.push(line(`run ${name}`));
  if (commit) lines.push(line(`commit ${commit.slice(0, 12)}`));
  return lines;
}
function cellTold(cell) {
  const scenario = cell.scenario ? `, ${cell.scenario}` : "";
  const lines = [
    element("strong", {}, `${cell.model.title}, batch ${cell.batch}${scenario}`),
    line(cell.platform.title),
  ];
  const speed = (ms) => `${number(1000 / ms)} images/s`;
  if (cell.now !== null) lines.push(line(`measured ${number(cell.now)} ms per image, ${speed(cell.now)}`));
  if (cell.baseline !== null) {
    const alone = cell.now === null ? `, ${speed(cell.baseline)}` : "";
    lines.push(line(`baseline ${number(cell.baseline)} ms per image${alone} (${cell.kind})`));
  }
  if (cell.change !== null) {
    const limit = cell.limit === null ? "" : `, limit ${percent(cell.limit)}`;
    const sees = cell.sees === null ? "" : `, resolution ${share(cell.sees)}`;
    lines.push(line(`change ${decided(cell)}\u202f%${limit}${sees}`));
    if (cell.removed !== null) lines.push(line(`common shift of ${percent(cell.removed)} removed`));
  }
  if (cell.budget !== null) lines.push(line(cell.value === null ? `budget ${cell.budget[0]}` : headroom(cell.value, cell.budget)));
  if (cell.outcome !== null) {
    lines.push(line(element("span", { class: `badge ${colourOf(cell.outcome)}` }, cell.outcome)));
  }
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
  canvas
    .querySelectorAll(".series")
    .forEach((group) => group.classList.toggle("looked", group.dataset.series === spot.group.dataset.series));
  drawn(canvas, "circle", { class: "ring", cx: spot.x, cy: spot.y, r: 8 });
  const tip = find("tip");
  tip.replaceChildren(...(spot.night ? nightTold(spot.night) : cellTold(spot.cell)));
  tip.hidden = false;
  const frame = tip.parentElement.getBoundingClientRect(),
    plot = canvas.getBoundingClientRect();
  const x = plot.left - frame.left + spot.x,
    y = plot.top - frame.top + spot.y;
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
  const x = event.clientX - frame.left,
    y = event.clientY - frame.top;
  let best = -1,
    least = Infinity;
  spots.forEach((spot, index) => {
    const away = Math.hypot(spot.x - x, spot.y - y);
    if (away < least && away <= (spot.reach ?? 28)) [best, least] = [index, away];
  });
  return best;
}
function step(key) {
  if (!spots.length) return false;
  if (key === "Escape") return (hideTip(), true);
  const from = spots[current];
  if (key === "Home" || (!from && key.startsWith("Arrow"))) return (look(0), true);
  if (key === "End") return (look(spots.length - 1), true);
  if (key === "ArrowRight" || key === "ArrowLeft")
    return (look((current + (key === "ArrowRight" ? 1 : -1) + spots.length) % spots.length), true);
  if (key !== "ArrowUp" && key !== "ArrowDown") return false;
  let best = current,
    least = Infinity;
  spots.forEach((spot, index) => {
    const up = key === "ArrowUp" ? from.y - spot.y : spot.y - from.y;
    if (up > 0.01 && Math.abs(spot.x - from.x) < 2 && up < least) [best, least] = [index, up];
  });
  return (look(best), true);
}
find("plot").addEventListener("pointermove", (event) => canvas && look(nearest(event)));
find("plot").addEventListener("pointerdown", (event) => canvas && look(nearest(event)));
find("plot").addEventListener("pointerleave", hideTip);
find("plot").addEventListener("focusout", hideTip);
find("plot").addEventListener("keydown", (event) => {
  if (canvas && step(event.key)) event.preventDefault();
});
