// ---- one cell: everything known of it, at an address of its own
const dialog = $("cell");
const facts = (pairs) => made("dl", pairs.filter(([, value]) => value !== "" && value !== undefined)
  .flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
const section = (title, ...content) => made("section", [made("h3", title), ...content]);
const MODE_WORDS = { pass: "right", fail: "fails", wrong: "wrong result" };
const modeWords = (code) => MODE_WORDS[data.modes[code]] ?? "not reached";
const versionTable = (cell) => made("table", [
  made("thead", made("tr", ["package", "version", "released"].map((name) => made("th", name, { scope: "col" })))),
  made("tbody", AXES.map((name) => made("tr", [made("th", name, { scope: "row" }), made("td", cell[name]),
    made("td", data.released[`${name} ${cell[name]}`] ?? "not known")]))),
], { class: "lines" });
const bars = (cell) => {
  const longest = Math.max(...cell.stages.map((stage) => stage[1]), 0.01);
  const highest = Math.max(...cell.stages.map((stage) => stage[2]), 1);
  const bar = (share, kind) => {
    const line = made("i");
    line.style.width = `${Math.max(share * 100, 0.5)}%`;
    return made("td", line, { class: `bar ${kind}` });
  };
  const heads = [["stage", 1], ["time", 2], ["highest memory", 2]].map(([name, span]) => made("th", name, { scope: "col", colspan: String(span) }));
  return made("table", [made("thead", made("tr", heads)), made("tbody", cell.stages.map(([stage, seconds, memory]) => made("tr", [
    made("th", data.stages[stage], { scope: "row" }), bar(seconds / longest, "time"), made("td", `${seconds.toFixed(2)} s`),
    bar(memory / highest, "memory"), made("td", memory ? `${memory} MiB` : "not known")])))], { class: "bars" });
};
const command = (content, label) => made("p", [made("code", content), " ", copyButton(content, label)]);
/** What has to change to come from one cell to another. */
const moved = (from, to) => AXES.filter((name) => from[name] !== to[name])
  .map((name) => `${name} ${from[name]} → ${to[name]}`).join(", ");
const open = (cell) => {
  const failure = failureOf(cell);
  const lock = `locks/${cell.id}.txt`;
  const effect = data.effects[`${cell.outcome} ${cell.stage}`];
  const near = outcomeOf(cell) === "pass" && !cell.inferred ? cell : nearest(cell);
  const body = $("cell-body");
  $("cell-title").textContent = AXES.map((name) => `${name} ${cell[name]}`).join(" · ");
  const verdict = verdictOf(cell);
  body.replaceChildren(made("p", [swatch(cell), " ", made("b", verdict[0].toUpperCase() + verdict.slice(1)), effect ? `. ${effect}` : ""], { class: "verdict" }));
  if (NOTES.workaround(cell)) body.append(made("p", ["With ", made("code", "use_cache=False"), ", generate gives the right result here."]));
  if (NOTES.caveat(cell)) body.append(made("p", ["Only with the cache: with ", made("code", "use_cache=False"), ` it ${data.modes[cell.uncached] === "fail" ? "fails" : "gives a wrong result"}.`]));
  if (cell.grounds) {
    const [, rests, against, declared] = cell.grounds;
    const links = (places) => made("ul", places.map((place) => made("li", [linkTo(cells[place], AXES.map((name) => `${name} ${cells[place][name]}`).join(", ")), ` ${verdictOf(cells[place])}`])));
    body.append(section("What it rests on", ...(declared >= 0 ? [made("p", text(declared))] : [links(rests)]),
      ...(against.length ? [made("p", "As like, and against it:"), links(against)] : [])));
  }
  if (near) {
    body.append(made("div", [
      made("p", near === cell ? [made("b", "Pins")] : [made("b", "Nearest pins that passed"), ` (${moved(cell, near)}) `, made("a", "look at them", { href: `#${near.id}` })]),
      command(pins(near), "copy pins")], { class: "pinned" }));
  }
  if (failure) {
    const about = [];
    if (failure.cause) about.push(made("p", [made("b", "Why. "), failure.cause]), made("p", [made("b", "What to do. "), failure.remedy]));
    else about.push(made("p", "This failure is not in the catalogue of known ones: only its message is known."));
    if (failure.terms.length) {
      about.push(made("details", [made("summary", "The words of it, explained"),
        facts(failure.terms.map((number) => data.terms[number]))]));
    }
    about.push(made("p", made("a", "All cells with this failure", { href: `#class-${failure.key}` })));
    body.append(section(`${failure.letter}. ${failure.title}`, ...about));
  }
  if (cell.message >= 0) body.append(section("The message", made("pre", text(cell.message), { class: "message", tabindex: "0" })));
  if (cell.blame >= 0) body.append(section("Who is to blame", made("p", text(cell.blame))));
  body.append(section("Versions", made("div", [versionTable(cell),
    facts([["Python", cell.python], ["beside them", text(cell.imported)],
      ["generate with the cache", cell.started ? modeWords(cell.cached) : ""], ["generate without it", cell.started ? modeWords(cell.uncached) : ""],
      ["measured", cell.started ? `${new Date(cell.started * 60000).toISOString().slice(0, 16).replace("T", " ")} UTC; ${cell.seconds} s, at most ${cell.peak} MiB` : "no"]])], { class: "versions" })));
  if (cell.stages.length) body.append(section("Stages", bars(cell)));
  if (cell.checks.length || cell.held >= 0) {
    const held = text(cell.held).split("; ").filter(Boolean);
    body.append(section("Checks of the result", made("ul", [
      ...cell.checks.map(([name, detail]) => made("li", [made("b", "✗ does not hold: "), text(name), made("br"), made("small", text(detail))])),
      ...held.map((name) => made("li", `✓ ${name}`))], { class: "checks" })));
  }
  if (cell.rules.length) {
    body.append(section("Rules that cover it", made("ul", cell.rules.map((number) => made("li", data.rules[number])))));
  }
  const again = [command(`compatcheck run matrix/${data.matrix}.toml --only ${cell.id} --again --live`, "copy")];
  if (cell.lock) {
    again.push(made("p", ["Exactly these packages, with hashes: ", made("a", lock, { href: lock }), ` (lock ${cell.lock}) `,
      copyButton(`pip install --require-hashes -r ${lock}`, "copy the install command")]));
  }
  body.append(section("To repeat it", ...again), made("p", copyButton(location.href, "Copy the link to this cell"), { class: "last" }));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};
const follow = () => {
  const name = decodeURIComponent(location.hash.slice(1));
  const cell = byId.get(name);
  document.querySelectorAll("td a[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
  if (!cell) {
    if (dialog.open) dialog.close();
    const grid = grids.findIndex((each) => each.id === name);
    if (grid >= 0) { show(grid); filter(); }
    return;
  }
  if (cell.grid !== current) { show(cell.grid); filter(); }
  $(cell.id).setAttribute("aria-current", "true");
  stopAt($(cell.id));
  open(cell);
};
addEventListener("hashchange", follow);
$("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  const link = document.querySelector("td a[aria-current]");
  if (byId.has(decodeURIComponent(location.hash.slice(1)))) history.replaceState(null, "", location.pathname + location.search);
  if (link) { link.removeAttribute("aria-current"); link.focus({ preventScroll: true }); }
});
// the same cell again: its address does not change, so that nothing else opens it
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("td a");
  if (link && link.hash === location.hash) follow();
});
