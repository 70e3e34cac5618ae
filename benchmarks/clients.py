"""Published packages that depend on transformers and peft: judged as the resolver leaves them, mended, and run.

    python benchmarks/clients.py [--only trl-client] [--folder FOLDER] [--python 3.11]

For every folder tests/downstream/*-client: uv resolves its requirements.in as of today, `compatcheck check` judges what
it picked, and `compatcheck probe` runs the cycle there. Where that does not work, `compatcheck recommend --resolve`
gives constraints, an environment made with them is judged and probed too, and the client itself is imported in both.
Writes reports/clients.md, its table into the README, and both sets of pins beside each requirements.in.

Installs torch: several GB the first time. Exit code 1 where a verdict and the run disagree, or a mended environment
does not pass.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tabulate import tabulate

from compatcheck import ProbeResult, explain, load_table, probe_environment
from compatcheck.domain import CORE, Outcome, digest_of
from compatcheck.lock_files import read_lock
from compatcheck.machine import this_machine

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "downstream"
TARGET = ROOT / "reports" / "clients.md"
README = ROOT / "README.md"
SECONDS = 1800
"""For any one command."""


@dataclass
class Session:
    """Commands as a person would type them, with what they said."""

    folder: Path
    lines: list[str] = field(default_factory=list)

    def run(self, *words: str, shown: bool = True) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "compatcheck"] if words[0] == "compatcheck" else [words[0]]
        done = subprocess.run(
            [*program, *words[1:]], cwd=self.folder, capture_output=True, text=True, timeout=SECONDS
        )  # fmt: skip
        if shown:
            print(f"  $ {' '.join(words)}", flush=True)
            self.lines.append(f"$ {' '.join(words)}")
            self.lines += (done.stdout or done.stderr).rstrip().splitlines()
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()[-2000:]}")
        return done

    def must(self, *words: str, shown: bool = False) -> str:
        done = self.run(*words, shown=shown)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()[-2000:]}")
        return done.stdout


@dataclass(frozen=True)
class Environment:
    """What was found in one environment."""

    versions: dict[str, str]
    verdict: dict[str, Any]
    probe: ProbeResult
    imports: str

    @property
    def passes(self) -> bool:
        return self.probe.outcome is Outcome.PASS

    @property
    def core(self) -> str:
        return " ".join(f"{name} {self.versions[name]}" for name in CORE)

    @property
    def said(self) -> str:
        """`known-bad (import-cache-class-missing)`."""
        return self.verdict["status"] + (f" ({told})" if (told := self.verdict["signature"]) else "")

    @property
    def went(self) -> str:
        return self.probe.outcome + (f" ({self.probe.signature or 'unknown'})" if not self.passes else "")


@dataclass(frozen=True)
class Client:
    name: str
    session: list[str]
    resolved: Environment
    mended: Environment | None

    @property
    def problem(self) -> str:
        """What the tool got wrong; empty where it got nothing wrong."""
        for each in filter(None, (self.resolved, self.mended)):
            if each.probe.as_known is False:
                return f"the table says {each.said}, the run says {each.went}"
        if not (self.mended or self.resolved).passes:
            return "the environment does not pass in the end"
        return ""

    @property
    def changed(self) -> list[str]:
        """`transformers 5.24.0 -> 5.20.2`, for every distribution that mending changed."""
        if self.mended is None:
            return []
        before, after = self.resolved.versions, self.mended.versions
        return [
            f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]


def examined(session: Session, environment: str, use: Path) -> Environment:
    python = f"{environment}/bin/python"
    session.run("compatcheck", "check", "--python", python)
    probed = probe_environment(session.folder / python)
    session.lines += [f"$ compatcheck probe --quiet --python {python}", *probed.as_text().rstrip().splitlines()]
    told = json.loads(session.run("compatcheck", "check", "--python", python, "--format", "json", shown=False).stdout)
    used = subprocess.run(
        [session.folder / python, use], cwd=session.folder, capture_output=True, text=True, timeout=SECONDS
    )
    imports = "yes"
    if used.returncode != 0:
        known = explain(used.stderr).signature
        last = (used.stderr.strip().splitlines() or [f"code {used.returncode}"])[-1][:200]
        imports = f"no, {last}" + (f" ({known.id})" if known else "")
    listed = json.loads(session.must("uv", "pip", "list", "--format", "json", "--python", python))
    return Environment(
        {each["name"]: each["version"].partition("+")[0] for each in listed}, told["findings"][0]["verdict"], probed,
        imports,
    )  # fmt: skip


def tried(folder: Path, python: str, work: Path) -> Client:
    """The whole way of one client. Its two sets of pins are written beside its requirements.in."""
    name = folder.name.removesuffix("-client")
    print(name, flush=True)
    asked = f"{name}.in"
    session = Session(work)
    (work / asked).write_text((folder / "requirements.in").read_text())
    bare = ("--python-version", python, "--no-header", "--no-annotate", "-q")
    session.must("uv", "pip", "compile", asked, "-o", f"{name}.txt", *bare)
    session.must("uv", "venv", "-q", "--clear", "--python", python, name)
    session.must("uv", "pip", "sync", "-q", "--python", f"{name}/bin/python", f"{name}.txt")
    resolved = examined(session, name, folder / "use.py")
    (folder / "requirements.txt").write_text((work / f"{name}.txt").read_text())
    (folder / "mended.txt").unlink(missing_ok=True)
    if resolved.verdict["status"] != "works" or not resolved.passes:
        again = f"{name}-mended"
        given = ("--format", "constraints", "-o", "constraints.txt")
        session.must("compatcheck", "recommend", "-r", asked, "--python", python, "--resolve", *given, shown=True)
        session.must("uv", "venv", "-q", "--clear", "--python", python, again)
        session.must(
            "uv", "pip", "install", "-q", "--python", f"{again}/bin/python", "-r", asked, "-c", "constraints.txt",
            shown=True,
        )  # fmt: skip
        mended = examined(session, again, folder / "use.py")
        (folder / "mended.txt").write_text((work / "constraints.txt").read_text())
        return Client(name, session.lines, resolved, mended)
    return Client(name, session.lines, resolved, None)


def table_of(clients: list[Client]) -> str:
    """What came of each of them, in a line."""
    rows = [
        [
            each.name, each.resolved.core, each.resolved.said, each.resolved.went,
            each.mended.core if each.mended else "", each.mended.went if each.mended else "",
            str(len(each.changed)) if each.mended else "",
        ]
        for each in clients
    ]  # fmt: skip
    heads = ["client", "as resolved", "check says", "the cycle", "as mended", "the cycle", "distributions changed"]
    return tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True)


def with_table(readme: str, clients: list[Client]) -> str:
    """The README with the table between its markers."""
    return re.sub(
        r"(<!-- generated: clients -->\n).*?(<!-- /generated: clients -->)",
        lambda found: f"{found[1]}{table_of(clients)}\n{found[2]}",
        readme,
        flags=re.DOTALL,
    )


def text(clients: list[Client], python: str) -> str:
    """The report."""
    machine, now = this_machine(), datetime.now(timezone.utc)
    good = sum(not each.problem for each in clients)
    parts = [
        "# Real clients",
        "Published packages beside peft, each resolved by uv in an environment of its own, judged by `compatcheck "
        "check`, run by `compatcheck probe`, and mended by `compatcheck recommend` where that was called for. "
        f"{good} of {len(clients)} went as the table says, and pass in the end.",
        f"Written by `nox -s clients` on {now:%Y-%m-%d %H:%M} UTC with the table of {load_table().newest}: Python "
        f"{python}, {machine.cpu}, {machine.cores} cores, {machine.memory_mib / 1024:.0f} GiB, {machine.system}.",
        table_of(clients),
    ]
    for each in clients:
        folder = f"../tests/downstream/{each.name}-client"
        asked = " ".join(
            line for line in (CLIENTS / f"{each.name}-client" / "requirements.in").read_text().splitlines()[1:]
        )
        pins = [f"[as resolved]({folder}/requirements.txt)"]
        if each.mended:
            pins.append(f"[the constraints]({folder}/mended.txt)")
        parts += [
            f"## {each.name}",
            f"Asked for: `{asked}` ({', '.join(pins)}; {_digest(each.name)}).",
            "```console\n" + "\n".join(each.session) + "\n```",
            f"Does the client itself import? {each.resolved.imports}"
            + (f"; when mended: {each.mended.imports}" if each.mended else "")
            + ".",
        ]
        if each.mended:
            parts.append("Changed by mending: " + ", ".join(each.changed) + ".")
        if each.problem:
            parts.append(f"**Not as it should be**: {each.problem}.")
    return "\n\n".join(parts) + "\n"


def _digest(name: str) -> str:
    """Of the pins as resolved, so that a report and the file beside it are known to belong together."""
    pins = read_lock(CLIENTS / f"{name}-client" / "requirements.txt")
    return "digest " + digest_of("\n".join(f"{each.name}=={each.version}" for each in pins))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="CLIENT", help="a folder of tests/downstream")
    parser.add_argument("--folder", type=Path, help="where environments are made (default: a temporary folder)")
    parser.add_argument("--python", default="3.11", help="(default: %(default)s)")
    arguments = parser.parse_args()
    folders = [each for each in sorted(CLIENTS.glob("*-client")) if not arguments.only or each.name in arguments.only]
    clients = []
    for folder in folders:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
            clients.append(tried(folder, arguments.python, Path(work)))
    TARGET.write_text(text(clients, arguments.python), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), clients), encoding="utf-8")
    print(TARGET)
    for each in clients:
        print(f"{each.name}: {each.problem or 'as it should be'}")
    return int(any(each.problem for each in clients))


if __name__ == "__main__":
    sys.exit(main())
