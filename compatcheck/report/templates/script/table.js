// ---- one torch at a time; a grid's cells become links when it is first shown
const grids = [...document.querySelectorAll(".grid")];
const linked = new Map();
const told = (cell) => `transformers ${cell.transformers}, peft ${cell.peft}: ${verdictOf(cell)}`
  + (failureOf(cell) ? `. ${failureOf(cell).letter}: ${failureOf(cell).title}` : "");
const linkUp = (number) => {
  if (linked.has(number)) return linked.get(number);
  const table = grids[number].querySelector("table");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", `torch ${data.grids[number].torch}. Arrow keys move, Enter opens a cell.`);
  const links = [];
  lines[number].forEach((line, row) => line.forEach((cell, column) => {
    if (!cell) return;
    const place = table.tBodies[0].rows[row].cells[column + 1];
    const link = made("a", place.textContent, { id: cell.id, href: `#${cell.id}`, tabindex: links.length ? "-1" : "0",
      "aria-label": told(cell), title: told(cell) });
    link.className = place.className;
    place.className = "";
    place.replaceChildren(link);
    links.push([link, cell]);
  }));
  linked.set(number, links);
  return links;
};
let current = 0;
const show = (number) => {
  current = number;
  linkUp(number);
  grids.forEach((grid, place) => { grid.hidden = place !== number; });
  [...$("switch").children].forEach((button, place) => button.setAttribute("aria-pressed", String(place === number)));
};
$("switch").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  show([...$("switch").children].indexOf(button));
  filter();
});

// ---- the keyboard: one stop for the whole grid, and from there with arrows, Home, End and Ctrl
const stopAt = (link) => {
  link.closest("tbody").querySelectorAll("a[tabindex='0']").forEach((other) => { other.tabIndex = -1; });
  link.tabIndex = 0;
};
const head = (link) => link.closest("table").tHead.rows[0].cells[link.parentElement.cellIndex];
document.addEventListener("focusin", (event) => {
  const link = event.target.closest?.(".grid td a");
  document.querySelectorAll("thead th.here").forEach((place) => place.classList.remove("here"));
  if (!link) return;
  stopAt(link);
  head(link).classList.add("here");
});
document.addEventListener("keydown", (event) => {
  const link = event.target.closest?.(".grid td a");
  if (!link || $("cell").open || event.altKey || event.metaKey) return;
  if (event.key === " ") { event.preventDefault(); link.click(); return; }
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, 1], End: [0, -1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const rows = [...link.closest("tbody").rows];
  let y = rows.indexOf(link.closest("tr"));
  let x = link.parentElement.cellIndex;
  if (event.key === "Home" || event.key === "End") {
    if (event.ctrlKey) y = event.key === "Home" ? 0 : rows.length - 1;
    x = event.key === "Home" ? 1 : rows[y].cells.length - 1;
  } else {
    y += step[0];
    x += step[1];
  }
  for (; x > 0 && rows[y]?.cells[x]; y += step[0], x += step[1]) {
    const target = rows[y].cells[x].querySelector("a");
    if (target) { target.focus(); return; }
  }
});
