// ---- filter and search: the cells that every chosen thing fits stay, the others step back
const parts = (version) => version.split(".").map((part) => parseInt(part, 10) || 0);
const compare = (one, other) => {
  const [a, b] = [parts(one), parts(other)];
  for (let place = 0; place < Math.max(a.length, b.length); place += 1) {
    if ((a[place] ?? 0) !== (b[place] ?? 0)) return (a[place] ?? 0) - (b[place] ?? 0);
  }
  return 0;
};
const within = (version, wanted) => version === wanted || version.startsWith(`${wanted.replace(/\.?\*?$/, "")}.`);
const SIGNS = {
  ">=": (version, wanted) => compare(version, wanted) >= 0, "<=": (version, wanted) => compare(version, wanted) <= 0 || within(version, wanted),
  ">": (version, wanted) => compare(version, wanted) > 0 && !within(version, wanted), "<": (version, wanted) => compare(version, wanted) < 0,
  "!=": (version, wanted) => !within(version, wanted), "==": within, "": within,
};
/** Words for outcomes, as people write them. */
const SAID = { pass: "pass", passes: "pass", works: "pass", ok: "pass", fail: "fail", fails: "fail", failed: "fail",
  wrong: "wrong", unresolvable: "unresolvable", error: "error", untested: "untested" };
const haystacks = new Map();
const haystack = (cell) => {
  const key = `${cell.failure} ${cell.stage} ${cell.message} ${cell.outcome}`;
  let words = haystacks.get(key);
  if (words === undefined) {
    const failure = failureOf(cell);
    words = [outcomeOf(cell), data.stages[cell.stage] ?? "", failure ? `${failure.key} ${failure.title}` : "", text(cell.message)]
      .join(" ").toLowerCase();
    haystacks.set(key, words);
  }
  return words;
};
/** What is asked, as functions of a cell: `peft 0.12`, `transformers>=5`, `5.24`, `wrong`, `inferred`, `C`, or any words. */
const questions = (input) => {
  const words = input.trim().replace(/\s*([<>=!]=|[<>])\s*/g, "$1").split(/[\s,]+/).filter(Boolean);
  const asked = [];
  for (let place = 0; place < words.length; place += 1) {
    const word = words[place];
    const named = /^(torch|transformers|peft|python)([<>=!]=|[<>])?(.*)$/i.exec(word);
    if (named && (named[2] || named[3] === "" || /^\d/.test(named[3]))) {
      const name = named[1].toLowerCase();
      const version = named[3] || (/^\d/.test(words[place + 1] ?? "") ? words[place += 1] : "");
      if (version) asked.push((cell) => SIGNS[named[2] ?? ""](cell[name], version));
    } else if (/^\d[\d.*]*$/.test(word)) asked.push((cell) => AXES.some((name) => within(cell[name], word)));
    else if (/^[A-Z]{1,2}$/.test(word)) asked.push((cell) => failureOf(cell)?.letter === word);
    else if (SAID[word.toLowerCase()]) asked.push((cell) => outcomeOf(cell) === SAID[word.toLowerCase()]);
    else if (word.toLowerCase() === "inferred") asked.push((cell) => Boolean(cell.inferred));
    else asked.push((cell) => haystack(cell).includes(word.toLowerCase()));
  }
  return asked;
};

// the legends become buttons; within a legend any of the chosen fits, between them all must
const NOTES = {
  workaround: (cell) => ["fail", "wrong"].includes(data.modes[cell.cached]) && data.modes[cell.uncached] === "pass",
  caveat: (cell) => outcomeOf(cell) === "pass" && ["fail", "wrong"].includes(data.modes[cell.uncached]),
  inferred: (cell) => Boolean(cell.inferred),
};
const chosen = { outcome: new Set(), class: new Set(), note: new Set() };
const FITS = {
  outcome: (cell, name) => outcomeOf(cell) === name,
  class: (cell, number) => cell.failure === Number(number),
  note: (cell, name) => NOTES[name](cell),
};
document.querySelectorAll("#legend li, #outcomes li").forEach((item) => {
  const inner = item.querySelector("a")?.childNodes ?? item.childNodes;
  item.replaceChildren(made("button", [...inner], { type: "button", "aria-pressed": "false" }));
});
const filter = () => {
  const asked = questions($("search").value);
  for (const [kind, names] of Object.entries(chosen)) {
    if (names.size) asked.push((cell) => [...names].some((name) => FITS[kind](cell, name)));
  }
  const active = asked.length > 0;
  const fits = (cell) => active && asked.every((question) => question(cell));
  const counts = data.grids.map(() => 0);
  for (const cell of cells) {
    cell.hit = fits(cell);
    counts[cell.grid] += cell.hit;
  }
  grids[current].classList.toggle("filtered", active);
  for (const [link, cell] of linkUp(current)) link.classList.toggle("hit", cell.hit);
  [...$("switch").children].forEach((button, number) => {
    button.querySelector(".count")?.remove();
    if (active) button.append(made("span", ` ${counts[number]}`, { class: "count" }));
  });
  const all = counts.reduce((sum, count) => sum + count, 0);
  $("matches").replaceChildren();
  if (!active) return;
  $("matches").append(`${counts[current]} of ${linkUp(current).length} here, ${all} in all `,
    made("button", "clear", { type: "button", id: "clear", "aria-label": "Show everything again" }));
};
$("search").addEventListener("input", filter);
document.querySelectorAll("#legend, #outcomes").forEach((legend) => legend.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const [kind, name] = Object.entries(button.parentElement.dataset)[0];
  const on = !chosen[kind].delete(name);
  if (on) chosen[kind].add(name);
  button.setAttribute("aria-pressed", String(on));
  filter();
}));
$("matches").addEventListener("click", (event) => {
  if (event.target.id !== "clear") return;
  Object.values(chosen).forEach((names) => names.clear());
  document.querySelectorAll("#legend button, #outcomes button").forEach((button) => button.setAttribute("aria-pressed", "false"));
  $("search").value = "";
  filter();
  $("search").focus();
});
