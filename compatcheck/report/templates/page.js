"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const FIELDS = ["outcome", "failure", "stage", "cached", "uncached", "message", "inferred", "blame", "rules",
    "checks", "stages", "seconds", "peak", "started", "lock", "imported"];
  const EMPTY = { checks: [], stages: [], seconds: 0, peak: 0, started: 0, lock: "", imported: -1 };
  const grids = [...document.querySelectorAll(".grid")];
  const cells = [];
  const byId = new Map();
  data.grids.forEach((grid, number) => {
    const before = `py${grid.python.replaceAll(".", "")}-torch${grid.torch}-transformers`;
    grid.cells.forEach((line, row) => line.forEach((values, column) => {
      if (!values) return;
      const cell = { ...EMPTY, grid: number, row, column, python: grid.python, torch: grid.torch,
        transformers: grid.transformers[row], peft: data.pefts[column] };
      values.forEach((value, place) => { cell[FIELDS[place]] = value; });
      cell.id = `${before}${cell.transformers}-peft${cell.peft}`;
      cells.push(cell);
      byId.set(cell.id, cell);
    }));
  });
  const text = (number) => (number < 0 ? "" : data.texts[number]);
  const $ = (id) => document.getElementById(id);
  const made = (name, content, attributes = {}) => {
    const element = document.createElement(name);
    if (content instanceof Node) element.append(content);
    else if (Array.isArray(content)) element.append(...content);
    else if (content !== undefined) element.textContent = content;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  document.querySelectorAll(".needs-js").forEach((element) => { element.hidden = false; });

  // ---- which torch; a grid's cells become links when it is first shown
  const linked = new Map();
  const named = (cell) => `${data.outcomes[cell.outcome]}${cell.stage >= 0 ? ` in ${data.stages[cell.stage]}` : ""}`;
  const linkUp = (number) => {
    if (linked.has(number)) return linked.get(number);
    const body = grids[number].querySelector("tbody");
    const links = [];
    data.grids[number].cells.forEach((line, row) => line.forEach((values, column) => {
      if (!values) return;
      const place = body.rows[row].cells[column + 1];
      const cell = byId.get(`${grids[number].id.slice("grid-".length)}-transformers${data.grids[number].transformers[row]}-peft${data.pefts[column]}`);
      const link = made("a", place.textContent, { id: cell.id, href: `#${cell.id}`,
        "aria-label": `${named(cell)}${cell.failure >= 0 ? `, ${data.classes[cell.failure].title}` : ""}` });
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
    filter();
  };
  $("switch").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) show([...$("switch").children].indexOf(button));
  });

  // ---- filter and search: the cells that every chosen thing fits stay, the others step back
  const chosen = new Set();
  const haystack = (cell) => {
    if (!cell.words) {
      const failure = data.classes[cell.failure];
      cell.words = [data.outcomes[cell.outcome], data.stages[cell.stage] ?? "", failure ? `${failure.key} ${failure.title}` : "",
        text(cell.message)].join(" ").toLowerCase();
    }
    return cell.words;
  };
  const questions = (input) => {
    const words = input.trim().toLowerCase().split(/[\s,]+/).filter(Boolean);
    const asked = [];
    for (let place = 0; place < words.length; place += 1) {
      const [name, sign] = words[place].split("==");
      if (["torch", "transformers", "peft", "python"].includes(name)) {
        const version = sign ?? (/^\d/.test(words[place + 1] ?? "") ? words[place += 1] : "");
        asked.push((cell) => version === "" || cell[name] === version || cell[name].startsWith(`${version}.`));
      } else asked.push((cell) => haystack(cell).includes(words[place]));
    }
    return asked;
  };
  const filter = () => {
    const asked = questions($("search").value);
    const active = asked.length > 0 || chosen.size > 0;
    let hits = 0;
    grids[current].classList.toggle("filtered", active);
    for (const [link, cell] of linkUp(current)) {
      const hit = active && (chosen.size === 0 || chosen.has(cell.failure)) && asked.every((question) => question(cell));
      link.classList.toggle("hit", hit);
      hits += hit;
    }
    $("matches").textContent = active ? `${hits} of ${linkUp(current).length} cells of this torch` : "";
  };
  $("search").addEventListener("input", filter);
  $("legend").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const number = Number(button.dataset.class);
    const on = !chosen.delete(number);
    if (on) chosen.add(number);
    button.setAttribute("aria-pressed", String(on));
    filter();
  });

  // ---- one cell
  const dialog = $("cell");
  const copyButton = (content, label) => made("button", label, { type: "button", class: "copy", "data-copy": content });
  const rows = (pairs) => made("dl", pairs.filter(([, value]) => value !== "" && value !== undefined)
    .flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
  const modeWords = (code) => data.modes[code] ?? "not reached";
  const bars = (cell) => {
    const longest = Math.max(...cell.stages.map((stage) => stage[1]), 0.01);
    const highest = Math.max(...cell.stages.map((stage) => stage[2]), 1);
    const bar = (share) => made("td", made("i", "", { style: `width:${Math.max(share * 100, 0.5)}%` }), { class: "bar" });
    return made("table", made("tbody", cell.stages.map(([stage, seconds, memory]) => made("tr", [
      made("th", data.stages[stage], { scope: "row" }), bar(seconds / longest), made("td", `${seconds.toFixed(2)} s`),
      bar(memory / highest), made("td", memory ? `${memory} MiB` : "")]))), { class: "bars" });
  };
  const open = (cell) => {
    const outcome = data.outcomes[cell.outcome];
    const failure = data.classes[cell.failure];
    const reproduce = `compatcheck run matrix/${data.matrix}.toml --only ${cell.id} --again --live`;
    const body = $("cell-body");
    $("cell-title").textContent = `torch ${cell.torch}, transformers ${cell.transformers}, peft ${cell.peft}`;
    body.replaceChildren(
      made("p", [made("span", outcome, { class: `swatch ${outcome}`, style: "padding:0 .6em" }),
        ` ${cell.stage >= 0 ? `in ${data.stages[cell.stage]}` : ""}`, cell.inferred ? " (inferred, not measured)" : ""]),
      rows([
        ["released", ["torch", "transformers", "peft"].map((name) => data.released[`${name} ${cell[name]}`] ?? "?").join(", ")],
        ["Python", cell.python],
        ["generate with the cache", modeWords(cell.cached)],
        ["generate without it", modeWords(cell.uncached)],
        ["measured", !cell.started ? "" : `${new Date(cell.started * 60000).toISOString().slice(0, 16).replace("T", " ")} UTC; ${cell.seconds} s, at most ${cell.peak} MiB`],
      ]));
    if (failure) {
      body.append(made("h3", `${failure.letter}. ${failure.title}`));
      if (failure.cause) body.append(made("p", failure.cause), made("p", [made("b", "What to do. "), failure.remedy]));
      body.append(made("p", made("a", "All cells of this class", { href: `#class-${failure.key}` })));
    }
    if (cell.blame >= 0) body.append(made("h3", "Who is to blame"), made("p", text(cell.blame)));
    if (cell.rules.length) {
      body.append(made("h3", "Rules that cover it"), made("ul", cell.rules.map((number) => made("li", data.rules[number]))));
    }
    const near = data.outcomes[cell.outcome] === "pass" ? null : nearest(cell);
    if (near) {
      body.append(made("p", [made("b", "Nearest pins that passed. "), made("a", pins(near), { href: `#${near.id}` }), " ",
        copyButton(pins(near), "copy")]));
    }
    if (cell.message >= 0) body.append(made("pre", text(cell.message), { class: "message", tabindex: "0" }));
    if (cell.checks.length) {
      body.append(made("h3", "Checks that do not hold"),
        made("ul", cell.checks.map(([name, detail]) => made("li", [made("code", text(name)), `: ${text(detail)}`]))));
    }
    if (cell.stages.length) body.append(made("h3", "Stages: time and peak memory"), bars(cell));
    if (cell.imported >= 0) body.append(made("h3", "Imported beside them"), made("p", text(cell.imported)));
    body.append(made("h3", "To repeat it"), made("p", [made("code", reproduce), " ", copyButton(reproduce, "copy")]));
    if (cell.lock) {
      const path = `locks/${cell.id}.txt`;
      body.append(made("p", ["Lock ", made("code", cell.lock), ": ", made("a", path, { href: path }), " ",
        copyButton(`pip install -r ${path}`, "copy the install command")]));
    }
    body.append(made("p", copyButton(location.href, "copy the link to this cell")));
    if (!dialog.open) dialog.showModal();
  };
  const follow = () => {
    const cell = byId.get(decodeURIComponent(location.hash.slice(1)));
    document.querySelectorAll("td a[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
    if (!cell) { if (dialog.open) dialog.close(); return; }
    if (cell.grid !== current) show(cell.grid);
    const link = $(cell.id);
    link.setAttribute("aria-current", "true");
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
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("td a");
    if (link && link.hash === location.hash) follow();
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
    }
    const before = button.innerHTML;
    button.textContent = "copied";
    setTimeout(() => { button.innerHTML = before; }, 1200);
  });

  // ---- arrow keys through the grid
  document.addEventListener("keydown", (event) => {
    const link = document.activeElement?.closest?.(".grid td a");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!link || !step || dialog.open) return;
    event.preventDefault();
    const row = link.closest("tr");
    const line = [...row.parentElement.rows];
    const column = link.parentElement.cellIndex;
    let [y, x] = [line.indexOf(row) + step[0], column + step[1]];
    while (line[y]?.cells[x]) {
      const target = line[y].cells[x].querySelector("a");
      if (target) { target.focus(); return; }
      y += step[0];
      x += step[1];
    }
  });

  // ---- my versions
  const order = (package_) => [...new Set(cells.map((cell) => cell[package_]))];
  const versions = { torch: order("torch"), transformers: order("transformers"), peft: order("peft") };
  const parts = (version) => version.split(".").map((part) => parseInt(part, 10) || 0);
  const compare = (one, other) => {
    const [a, b] = [parts(one), parts(other)];
    for (let place = 0; place < Math.max(a.length, b.length); place += 1) {
      if ((a[place] ?? 0) !== (b[place] ?? 0)) return (a[place] ?? 0) - (b[place] ?? 0);
    }
    return 0;
  };
  Object.values(versions).forEach((list) => list.sort(compare));
  const position = (package_, version) => {
    const list = versions[package_];
    const exact = list.indexOf(version);
    if (exact >= 0) return exact;
    return list.filter((known) => compare(known, version) < 0).length - 0.5;
  };
  const passing = cells.filter((cell) => data.outcomes[cell.outcome] === "pass");
  const pins = (cell) => `torch==${cell.torch} transformers==${cell.transformers} peft==${cell.peft}`;
  /** The passing cell the fewest measured releases away from the versions given; of equals the newest transformers. */
  const nearest = (wanted) => {
    const given = ["torch", "transformers", "peft"].filter((name) => wanted[name]).map((name) => [name, position(name, wanted[name])]);
    let [best, least] = [null, Infinity];
    for (const cell of passing) {
      const far = given.reduce((sum, [name, place]) => sum + Math.abs(position(name, cell[name]) - place), 0);
      if (far < least || (far === least && compare(cell.transformers, best.transformers) > 0)) [best, least] = [cell, far];
    }
    return best;
  };
  $("mine").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = new FormData($("mine"));
    const wanted = Object.fromEntries(["torch", "transformers", "peft"].map((name) => [name, String(form.get(name) ?? "").trim()]));
    const given = Object.entries(wanted).filter(([, version]) => version);
    const fits = cells.filter((cell) => given.every(([name, version]) => cell[name] === version));
    const best = nearest(wanted);
    const answer = $("verdict");
    if (!given.length) { answer.textContent = "Give at least one version."; return; }
    const counts = {};
    for (const cell of fits) counts[data.outcomes[cell.outcome]] = (counts[data.outcomes[cell.outcome]] ?? 0) + 1;
    const told = fits.length === 0 ? "Not measured."
      : fits.length === 1 ? `${named(fits[0])}.`
        : `${fits.length} cells: ${Object.entries(counts).map(([outcome, count]) => `${count} ${outcome}`).join(", ")}.`;
    answer.replaceChildren(`${told} `);
    if (fits.length === 1) answer.append(made("a", "What happened", { href: `#${fits[0].id}` }), " ");
    if (best && best !== fits[0]) answer.append("Nearest pins that passed: ", made("code", pins(best)), " ", copyButton(pins(best), "copy"));
    if (!best) answer.append("Nothing in this table passed.");
  });

  if (grids.length) show(0);
  follow();
})();
