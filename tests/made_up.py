"""Results that were never run, for tests of what stands to the right of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from compatcheck.catalogues import Catalogue, load_catalogue
from compatcheck.classify import diagnose, diagnose_resolution
from compatcheck.conclusion import Conclusion, Explored
from compatcheck.domain import (
    PROBE_STAGES,
    Cell,
    CellResult,
    Check,
    Diagnosis,
    Digest,
    Distribution,
    Ending,
    EndingKind,
    Frame,
    Lock,
    Machine,
    Mode,
    ModeRecord,
    Observation,
    Outcome,
    Raised,
    Resolution,
    Stage,
    StageRecord,
    Status,
)
from compatcheck.expansion import Expansion
from compatcheck.matrix import Matrix
from compatcheck.report.context import Besides, Context, built_context
from compatcheck.report.entry import Entry

MACHINE = Machine("linux-x86_64", "Some Linux 1", "a processor", 2, 8192, "glibc 2.36")
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=timezone.utc)


def cell(torch: str = "2.6.0", transformers: str = "4.51.3", peft: str = "0.15.2") -> Cell:
    return Cell("3.11", {"torch": torch, "transformers": transformers, "peft": peft})


def lock(of: Cell) -> Lock:
    items = tuple(
        Distribution(name, version, ("ab" * 32,), 1000, NOON) for name, version in sorted(of.versions.items())
    )
    return Lock(of.python, "linux-x86_64", items)


def observation(
    raised: Raised | None = None,
    stage: Stage = Stage.GENERATE,
    *,
    cached: bool = True,
    uncached: bool = True,
    ending: Ending | None = None,
    minute: int = 0,
    **facts: object,
) -> Observation:
    """A pass; or one that raised in `stage`; or one whose modes are wrong where they are False."""
    stages = []
    for each in PROBE_STAGES:
        broken = each is stage and (raised is not None or ending is not None)
        status = Status.OK if not broken else Status.FAILED if raised else Status.DIED
        stages.append(StageRecord(each, status, 0.5, 500.0, (raised,) if broken and raised else ()))
        if broken:
            break
    finished = len(stages) == len(PROBE_STAGES)
    modes = (ModeRecord(Mode.CACHED, Status.OK, 0.1), ModeRecord(Mode.UNCACHED, Status.OK, 0.1)) if finished else ()
    checks = (
        (
            Check("loss-fell", True, 1.0, 0.01, "from 9 to 8"),
            Check("cached-equals-reference", cached, 0.0 if cached else 2.0, 0.0, "", Mode.CACHED),
            Check("uncached-equals-reference", uncached, 0.0 if uncached else 2.0, 0.0, "", Mode.UNCACHED),
        )
        if finished
        else ()
    )
    return Observation(
        NOON + timedelta(minutes=minute), MACHINE, 1, tuple(stages), modes, checks,
        ending or Ending(EndingKind.COMPLETED, 0), {"torch": "2.6.0"}, facts, 4.0, 512.0, "the end of the output",
    )  # fmt: skip


CACHE_LAYERS = Raised(
    "KeyError",
    "builtins",
    "'Cache only has 0 layers, attempted to access layer with index 0'",
    (
        Frame("transformers/generation/utils.py", 2975, "_sample"),
        Frame("peft/peft_model.py", 1156, "prepare_inputs_for_generation"),
        Frame("transformers/cache_utils.py", 334, "__getitem__"),
    ),
)


def result(of: Cell, seen: Observation | None = None, reason: str = "", trouble: str = "") -> CellResult:
    if reason:
        return CellResult(of, Resolution(None, reason, NOON))
    resolution = None if trouble else Resolution(lock(of), "", NOON)
    return CellResult(of, resolution, seen, trouble)


def inferred(entry: Entry, *rests_on: str) -> Entry:
    """The same cell as if it had not been run."""
    return Entry(CellResult(entry.cell), None, Conclusion(entry.outcome, entry.failure, 0.9, rests_on))


def context(results: list[CellResult], catalogue: Catalogue | None = None, explored: Explored | None = None) -> Context:
    """The report's context of these results, diagnosed by the shipped catalogue."""
    known = catalogue or load_catalogue()

    def diagnosed(each: CellResult) -> Diagnosis | None:
        if each.outcome is Outcome.UNRESOLVABLE and each.resolution:
            return diagnose_resolution(each.resolution.reason, known)
        if each.outcome in (Outcome.FAIL, Outcome.WRONG) and each.observation:
            return diagnose(each.observation, known)
        return None

    axes = {
        package: tuple(dict.fromkeys(each.cell.versions[package] for each in results))
        for package in ("torch", "transformers", "peft")
    }
    matrix = Matrix("made-up", axes, description="made up")
    expansion = Expansion(tuple(each.cell for each in results), {"peft 0.15.2": NOON})
    return built_context(
        matrix, expansion, results, diagnosed, known, Digest("material"), 1, Besides(explored=explored)
    )


def texts(files: Mapping[str, Iterable[str]] | Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """The files of a report, made."""
    return {name: "".join(pieces) for name, pieces in dict(files).items()}
