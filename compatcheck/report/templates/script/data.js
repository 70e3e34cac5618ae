// ---- the cells, and what all parts of the page use
const data = JSON.parse(document.getElementById("data").textContent);
const FIELDS = ["outcome", "failure", "stage", "cached", "uncached", "message", "inferred", "blame", "rules", "grounds",
  "checks", "held", "stages", "seconds", "peak", "started", "lock", "imported"];
const EMPTY = { checks: [], held: -1, stages: [], seconds: 0, peak: 0, started: 0, lock: "", imported: -1 };
const AXES = ["torch", "transformers", "peft"];
const cells = [];
const byId = new Map();
const lines = data.grids.map((grid, number) => {
  const before = `py${grid.python.replaceAll(".", "")}-torch${grid.torch}-transformers`;
  return grid.cells.map((line, row) => line.map((values, column) => {
    if (!values) return null;
    const cell = { ...EMPTY, grid: number, python: grid.python, torch: grid.torch,
      transformers: grid.transformers[row], peft: data.pefts[column] };
    // of cells that were not run the same is said many times: it is kept once
    (Array.isArray(values) ? values : data.unrun[values - 1]).forEach((value, place) => { cell[FIELDS[place]] = value; });
    cell.id = `${before}${cell.transformers}-peft${cell.peft}`;
    cells.push(cell);
    byId.set(cell.id, cell);
    return cell;
  }));
});
const MARKS = { pass: "✓", fail: "✗", wrong: "≠", unresolvable: "∅", error: "!", untested: "·" };
const VERBS = { pass: "works", fail: "fails", wrong: "gives a wrong result", unresolvable: "cannot be installed",
  error: "could not be measured", untested: "has not been run" };
const outcomeOf = (cell) => data.outcomes[cell.outcome];
const failureOf = (cell) => data.classes[cell.failure];
const verdictOf = (cell) => VERBS[outcomeOf(cell)]
  + (outcomeOf(cell) === "fail" && cell.stage >= 0 ? ` in ${data.stages[cell.stage]}` : "")
  + (cell.inferred ? ` (inferred, not run${cell.grounds ? `; confidence ${(cell.grounds[0] / 1000).toFixed(2)}` : ""})` : "");
const pins = (cell) => AXES.map((name) => `${name}==${cell[name]}`).join(" ");
const text = (number) => (number < 0 ? "" : data.texts[number]);
const $ = (id) => document.getElementById(id);
/** An element. Content is nodes or plain text: nothing that came from outside is ever read as HTML. */
const made = (name, content, attributes = {}) => {
  const element = document.createElement(name);
  if (Array.isArray(content)) element.append(...content);
  else if (content !== undefined) element.append(content);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const swatch = (cell) => made("span", MARKS[outcomeOf(cell)],
  { class: `swatch ${outcomeOf(cell)}${cell.inferred ? " inferred" : ""}`, "aria-hidden": "true" });
document.documentElement.classList.add("js");
document.querySelectorAll(".needs-js").forEach((element) => { element.hidden = false; });

// ---- copying: the button says that it was done
const copyButton = (content, label) => made("button", label, { type: "button", class: "copy", "data-copy": content });
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const field = made("textarea", button.dataset.copy);
    (button.closest("dialog") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.before_ ??= [...button.childNodes];
  button.replaceChildren("copied");
  clearTimeout(button.back);
  button.back = setTimeout(() => button.replaceChildren(...button.before_), 1200);
});
