"""The report as people read it in a repository: compatibility.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ..cell_verdicts import Ground
from ..declared import Need
from ..domain import Outcome
from ..table import PYTHON
from .agreement_text import agreement_section
from .audit_text import audit_section
from .axis_answer import answer, called, heading
from .blame_text import shares
from .context import Context, named
from .effects import effects
from .entry import Entry, FailureClass, Shared
from .glossary import needed, needed_by
from .markup import anchor, escaped, markdown_table, shortened
from .panel import Panel
from .pictures import DATES, MEMORY, OVERVIEW, TIME, drawings, panel_file

MARKS = {
    Outcome.PASS: "✅",
    Outcome.FAIL: "❌",
    Outcome.WRONG: "⚠️",
    Outcome.UNRESOLVABLE: "🚫",
    Outcome.ERROR: "💥",
    Outcome.UNTESTED: "·",
}
MOST_VERDICTS = 3
"""Statements of blame that a failure class shows; compatibility.json has them all."""
WORDS = {
    Outcome.PASS: "works: every stage ran and every check holds",
    Outcome.FAIL: "fails: a stage raised or died; the letter names the failure below",
    Outcome.WRONG: "**wrong**: everything ran without an error, and the result is not right",
    Outcome.UNRESOLVABLE: "cannot be installed: the resolver finds nothing that goes together",
    Outcome.ERROR: "not measured: this machine's or the tool's own fault",
    Outcome.UNTESTED: "not run",
}


def markdown_text(context: Context) -> str:
    parts = [
        *([agreement_section(context.agreement)] if context.agreement else []),
        _pins(context),
        *([audit_section(context)] if context.explored else []),
        "## The table",
        f"![Heat map of all combinations; the tables below say the same](pictures/{OVERVIEW})",
        _legend(context),
        *_torch_tables(context),
        "## Failure classes",
        "\n\n".join(_class(context, each) for each in context.classes) or "None: nothing failed.",
        _words(context),
        _pictures(context),
        *(f"## {heading(axis)}\n\n{_axis(context, axis)}" for axis in ("torch", *_several_pythons(context))),
        "## Who is to blame",
        _blame(context),
        "## Rules",
        _rules(context),
        "## Which axes play a part",
        _axes(context),
        "## Declared against measured",
        _declared(context),
        "## How it was measured",
        _method(context),
    ]
    body = "\n\n".join(part for part in parts if part)
    return f"# {_title(context)}\n\n{_headline(context)}\n\n{_contents(context, body)}\n\n{body}\n"


def _contents(context: Context, body: str) -> str:
    """Links to the sections; to each torch's tables and each failure class by its version and letter."""
    found = [line for line in body.splitlines() if line.startswith("## ")]
    lines = ["## Contents", ""]
    for each in found:
        lines.append(f"- {_link(each.removeprefix('## '))}")
        if each == "## The table":
            several = len(context.pythons) > 1
            links = [
                _link(_table_heading(torch, python), f"{torch}, Python {python}" if several else torch)
                for torch, python in _shown_tables(context)
            ]
            lines[-1] += f": torch {' · '.join(links)}"
        elif each == "## Failure classes" and context.classes:
            links = [_link(_class_heading(each), each.letter) for each in context.classes]
            lines[-1] += f": {' · '.join(links)}"
    return "\n".join(lines)


def _link(heading: str, words: str = "") -> str:
    return f"[{words or heading}](#{anchor(heading)})"


def _title(context: Context) -> str:
    how = "measured" if context.explored is None else "some measured, the rest inferred"
    return f"Which torch x transformers x peft work: prompt-tuned BLOOM, {how}"


def _headline(context: Context) -> str:
    first, *rest = context.headline()
    return "\n\n".join([f"**{first}**", *(["\n".join(f"- {line}" for line in rest)] if rest else [])])


def _pins(context: Context) -> str:
    return f"## What to pin\n\n{pins_table(context)}\n\nComplete locks with hashes are in `locks/`."


def pins_table(
    context: Context,
    headers: tuple[str, str] = ("torch", "newest pins that passed every check"),
    nothing: str = "nothing that was measured works",
) -> str:
    """For each torch, the newest first, and where there are several for each Python, the newest pins that pass."""
    several = len(context.pythons) > 1
    rows = [
        [torch, *([python] if several else []), _code(best) if best else nothing]
        for torch, python, best in context.newest_pins()
    ]
    torch, pins = headers
    return markdown_table([torch, *(["Python"] if several else []), pins], rows)


def _code(entry: Entry) -> str:
    return "`" + " ".join(f"{package}=={version}" for package, version in entry.cell.versions.items()) + "`"


def _legend(context: Context) -> str:
    lines = [f"- {MARKS[outcome]} {WORDS[outcome]}" for outcome in MARKS if context.totals[outcome]]
    if context.caveats:
        lines.append("- `*` works, but generating without the cache (`use_cache=False`) does not")
    if context.workarounds:
        lines.append("- `+` does not work, but generating without the cache (`use_cache=False`) gives the right result")
    lines.append("- a letter names the failure class, explained below")
    if context.inferred:
        said = [
            f"{MARKS[outcome]} {context.inferred_totals[outcome]}"
            for outcome in MARKS
            if context.inferred_totals[outcome]
        ]
        lines.append(f"- *in brackets and italics*: inferred, not run ({', '.join(said)})")
    return "\n".join(lines)


def _torch_tables(context: Context) -> Iterator[str]:
    """A table for each torch and Python, the newest transformers at its top as in the pictures."""
    pefts, transformers = context.versions("peft"), tuple(reversed(context.versions("transformers")))
    panels = {(panel.torch, panel.python): panel for panel in context.panels}
    mark = Shared(lambda entry: _mark(context, entry))
    for torch, python in _shown_tables(context):
        panel = panels.get((torch, python)) or Panel(python, torch, {})
        rows = []
        for version in transformers:
            line = panel.lines.get(version, {})
            rows.append([version, *(mark(line[peft]) if peft in line else "" for peft in pefts)])
        table = markdown_table(["transformers \\ peft", *pefts], rows)
        large = panel_file(python, torch)
        links = f"[The same as a picture](pictures/{large}) · {_link('Contents')}"
        yield f"### {_table_heading(torch, python)}\n\n{table}\n\n{links}"


def _shown_tables(context: Context) -> Iterator[tuple[str, str]]:
    """Torch and Python of each table, the newest first."""
    return product(reversed(context.versions("torch")), reversed(context.pythons))


def _table_heading(torch: str, python: str) -> str:
    return f"torch {torch}, Python {python}"


def _pictures(context: Context) -> str:
    drawn = drawings(context)
    shown = [
        f"![{words}](pictures/{name})"
        for name, words in (
            (DATES, "Share of the combinations of each release that work, over its release date"),
            (MEMORY, "Resident memory within each stage of the cycle, for each torch"),
            (TIME, "Time of each stage of the cycle, for each torch"),
        )
        if name in drawn
    ]
    return "\n\n".join(["## Over release dates, in memory and in time", *shown]) if shown else ""


def _mark(context: Context, entry: Entry) -> str:
    mark = f"{MARKS[entry.outcome]} {context.letter(entry)}{entry.note}".strip()
    return mark if entry.measured else f"*({mark})*"


def _class_heading(each: FailureClass) -> str:
    title = each.signature.title if each.signature else "not recognised"
    return f"{each.letter}. {escaped(title)} (`{each.key}`)"


def _class(context: Context, each: FailureClass) -> str:
    first = each.entries[0]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each.outcomes.items()))
    lines = [f"### {_class_heading(each)}", "", *effects(each), ""]
    facts = [("Cells", f"{len(each.entries)} ({counts})"), ("Stage", ", ".join(each.stages))]
    if each.inferred:
        facts.insert(1, ("Inferred, not run", f"{each.inferred} further cells"))
    for package in ("torch", "transformers", "peft"):
        facts.append((package, ", ".join(each.versions(package))))
    if first.exception is not None:
        facts.append(("Example", f"`{shortened(first.exception.type + ': ' + first.exception.message)}`"))
    if first.result.observation is not None:
        failed = [check for check in first.result.observation.checks if not check.passed]
        facts += [("Check", f"`{check.name}`: {escaped(check.detail) or 'does not hold'}") for check in failed]
    elif first.result.resolution is not None and first.result.resolution.reason:
        facts.append(("The resolver says", f"`{shortened(first.result.resolution.reason)}`"))
    if each.signature is not None:
        facts.append(("Cause", escaped(each.signature.cause)))
        facts.append(("What to do", escaped(each.signature.remedy)))
        if each.signature.references:
            facts.append(("Discussed at", ", ".join(each.signature.references)))
    if each.workarounds:
        facts.append(("Workaround", f"`use_cache=False` gives the right result in {each.workarounds} of these cells"))
    for count, said in context.findings.blamed(entry.cell.id for entry in each.entries)[:MOST_VERDICTS]:
        how = ", by experiment" if said.ground is Ground.EXPERIMENT else ""
        facts.append(("Blame", f"{escaped(said.blame.words())} ({count} cells{how})"))
    if terms := needed(each):
        facts.append(("Words", ", ".join(f"[{term.name}](#the-words)" for term in terms)))
    facts.append(("To see it", f"`compatcheck show {first.cell.id}`"))
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in facts if value)])


def _several_pythons(context: Context) -> tuple[str, ...]:
    return (PYTHON,) if len(context.pythons) > 1 else ()


def _axis(context: Context, axis: str) -> str:
    """The article's advice, judged; a file of its own has the rest."""
    question = context.findings.question(axis)
    mended = [each for each in question.remedies if each.mended]
    lines = [answer(context, question)]
    if question.remedies:
        told = ", ".join(f"`{each.unit[1]}` ({each.mended} of {each.cells} cells)" for each in mended)
        which = f": {told}" if told else ""
        lines.append(f"Of {len(question.remedies)} failures another {called(axis)} mends {len(mended)}{which}.")
    return "\n".join(lines) + f" More: [{axis}.md]({axis}.md)."


def _blame(context: Context) -> str:
    return f"{shares(context)} Drift, and the table held against experiments: [blame.md](blame.md)."


def _rules(context: Context) -> str:
    """The statements, those about what works and what does not first."""
    if not (rules := context.findings.rules).verdicts:
        return "Nothing has been measured."
    parts = [
        "Each holds for every measured cell within it. Where a rule ends, to the very release where those between two "
        "of the table were measured too: [boundaries.md](boundaries.md)."
    ]
    for title, found in (("What works, and what does not", rules.verdicts), ("Which failure, where", rules.failures)):
        if found:
            rows = [[f"`{rule.words()}`", str(len(rule.cells))] for rule in found]
            table = markdown_table(["rule", "cells"], rows)
            parts.append(f"### {title}\n\n{table}")
    if rules.uncovered:
        parts.append(f"{len(rules.uncovered)} cells stand in no rule: there is too little structure around them.")
    return "\n\n".join(parts)


def _axes(context: Context) -> str:
    return "\n".join(f"- {part.words()}." for part in context.findings.blame.axes) or "Only one version of each."


def _declared(context: Context) -> str:
    rows = [
        [f"{each.package} {each.version}", f"{each.broken} of {each.accepted}", need.package, *_need(need)]
        for each in context.findings.declarations
        for need in each.requirements
        if need.admitted
    ]
    if not rows:
        return "No release declares more than works."
    headers = ["release", "do not work", "about", "declares", "should declare"]
    table = markdown_table(headers, rows)
    return f"What pip lets pass because a release's metadata allow it, and what its runs support instead.\n\n{table}"


def _need(need: Need) -> tuple[str, str]:
    declared = "not known" if need.declared is None else f"`{need.declared}`" if need.declared else "any version"
    measured = "nothing measured works" if need.measured is None else f"`{need.measured}`"
    return declared, measured


def _words(context: Context) -> str:
    """What the failure classes take for granted."""
    terms = [f"- **{term.name}**: {term.meaning}" for term in needed_by(context)]
    return "\n".join(["### The words", "", *terms]) if terms else ""


def _method(context: Context) -> str:
    scenario, matrix = context.matrix.scenario, context.matrix
    seconds = sorted(entry.result.observation.seconds for entry in context.known if entry.result.observation)
    lines = [
        f"- Matrix `{matrix.name}`: {len(context.entries)} cells; {matrix.description}",
        f"- Newest observation: {context.generated:%Y-%m-%d %H:%M} UTC. {context.basis_words()}",
        f"- Policy `{matrix.policy}` for the packages that are not axes"
        + (f"; extra requirements: {', '.join(matrix.extras)}" if matrix.extras else "")
        + ". The exact versions, with hashes, are in `locks/`.",
        f"- Model `{scenario.model}`, data `{scenario.data}`, {scenario.virtual_tokens} virtual tokens, "
        f"{scenario.init} init, {scenario.epochs} epochs of {scenario.texts} texts, batch size {scenario.batch_size}, "
        f"learning rate {scenario.learning_rate}, {scenario.dtype}, seed {scenario.seed} "
        f"(scenario `{context.material}`, probe {context.probe_version})",
        *(
            ["- **The model's own code was run** (`trust_remote_code`): its makers' as well as the packages'."]
            if scenario.trust_remote_code
            else []
        ),
        "- Right means: the loss fell; training changed the virtual tokens and nothing else; the reloaded adapter "
        "gives the logits of the saved one; the prompt changes the output; greedy `generate` with the cache gives the "
        "tokens of a loop that calls forward token by token. The same is tried with `use_cache=False`.",
    ]
    lines += [
        f"- Machine: {machine.system}, {machine.libc}, {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_mib / 1024:.0f} GiB, `{machine.platform}`"
        for machine in context.machines
    ]
    lines.append(f"- {context.isolation_words()}")
    if seconds:
        lines.append(f"- A cell took {seconds[len(seconds) // 2]:.1f} s in the middle, {seconds[-1]:.1f} s at most.")
    lines.append(
        f"- A crash, a time-out, a want of memory and a number near its limit are run again before they count. "
        f"Run more than once: {len(context.repeated)} cells; runs that disagree: {len(context.flaky)}."
    )
    example = context.entries[0].cell
    lines += [
        f"- To repeat all of it: `compatcheck run matrix/{matrix.name}.toml`; one cell ({named(example)}): "
        f"`compatcheck run matrix/{matrix.name}.toml --only {example.id} --again`",
    ]
    return "\n".join(lines)
