// ---- my versions: a verdict, what is known close by, and the nearest pins that passed
const versions = Object.fromEntries(AXES.map((name) => [name, [...new Set(cells.map((cell) => cell[name]))].sort(compare)]));
/** The place of a version among the measured ones; between two of them for one that was not measured. */
const position = (name, version) => {
  const exact = versions[name].indexOf(version);
  return exact >= 0 ? exact : versions[name].filter((known) => compare(known, version) < 0).length - 0.5;
};
const passing = cells.filter((cell) => outcomeOf(cell) === "pass" && !cell.inferred);
const given = (wanted) => AXES.filter((name) => wanted[name]);
/** Of `among` the cell the fewest releases away; of equals one that was run, then the newest. */
const closest = (among, wanted) => {
  const asked = given(wanted).map((name) => [name, position(name, wanted[name])]);
  let [best, least] = [null, Infinity];
  for (const cell of among) {
    const far = asked.reduce((sum, [name, place]) => sum + Math.abs(position(name, cell[name]) - place), 0);
    const better = best && (best.inferred - cell.inferred || compare(cell.transformers, best.transformers)
      || compare(cell.peft, best.peft) || compare(cell.torch, best.torch));
    if (far < least || (far === least && better > 0)) [best, least] = [cell, far];
  }
  return best;
};
const nearest = (wanted) => closest(passing, wanted);
const linkTo = (cell, label) => made("a", label, { href: `#${cell.id}` });
const answer = (wanted) => {
  const names = given(wanted);
  if (!names.length) return [made("p", "Give at least one version.")];
  const fits = cells.filter((cell) => names.every((name) => cell[name] === wanted[name]));
  const said = [];
  if (fits.length === 1) {
    const verdict = verdictOf(fits[0]);
    said.push(made("p", [swatch(fits[0]), " ", made("b", `${verdict[0].toUpperCase()}${verdict.slice(1)}. `),
      failureOf(fits[0]) ? `${failureOf(fits[0]).title}. ` : "", linkTo(fits[0], "What happened")]));
  } else if (fits.length) {
    const run = fits.filter((cell) => !cell.inferred);
    const works = run.filter((cell) => outcomeOf(cell) === "pass").length;
    said.push(made("p", made("b", `${works} of ${run.length} measured combinations with ${names.map((name) => `${name} ${wanted[name]}`).join(" and ")} work.`)));
  } else {
    const known = closest(cells, wanted);
    const outside = names.filter((name) => !versions[name].includes(wanted[name]));
    said.push(made("p", [made("b", "Not measured. "), outside.length ? `${outside.map((name) => `${name} ${wanted[name]}`).join(", ")} is not in this table. ` : "",
      ...(known ? ["The nearest that is: ", linkTo(known, AXES.map((name) => `${name} ${known[name]}`).join(", ")), ` ${verdictOf(known)}.`] : [])]));
  }
  const best = nearest(wanted);
  if (!best) said.push(made("p", "Nothing in this table passed."));
  else if (fits.length !== 1 || best !== fits[0]) said.push(made("p", ["Nearest pins that passed: ", made("code", pins(best)), " ", copyButton(pins(best), "copy pins"), " ", linkTo(best, "look")]));
  return said;
};
$("mine").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData($("mine"));
  $("verdict").replaceChildren(...answer(Object.fromEntries(AXES.map((name) => [name, String(form.get(name) ?? "").trim().replace(/\+.*$/, "")]))));
});
// `pip freeze`, a requirements file or an issue's list of versions
$("mine").addEventListener("paste", (event) => {
  const pasted = event.clipboardData.getData("text");
  const found = AXES.flatMap((name) => {
    const version = new RegExp(`(?:^|[^\\w-])${name}(?:==|===|[\\s:=]+v?)\\s*(\\d[\\w.]*)`, "i").exec(pasted)?.[1];
    return version ? [[name, version]] : [];
  });
  if (!found.length) return;
  event.preventDefault();
  for (const [name, version] of found) $("mine").elements[name].value = version;
});

if (grids.length) { show(0); filter(); }
follow();
