"""What a typed downstream project writes. A type checker in strict mode reads it; nothing here is run."""

from __future__ import annotations

from pathlib import Path

import compatcheck
from compatcheck import (
    Explanation,
    IncompatibleVersions,
    KnownTable,
    Prefer,
    ProbeResult,
    Recommendation,
    Request,
    Verdict,
)
from compatcheck.nox import MatrixCell


def judged(versions: dict[str, str], table: KnownTable | None = None) -> list[str]:
    verdict: Verdict = compatcheck.lookup(versions, table)
    return [str(verdict.status), *(cell.words() for cell in verdict.neighbours), *verdict.pins]


def pinned(request: Request, folder: Path) -> tuple[str, ...]:
    answer: Recommendation = compatcheck.recommend(request)
    text: str = answer.as_text()
    (folder / "why.txt").write_text(text)
    return answer.pins if answer.found else ()


def asked() -> Request:
    return compatcheck.request_of({"torch": "2.6"}, requirements=["peft>=0.13"], prefer=Prefer.STABLE)


def explained(error: BaseException) -> str:
    explanation: Explanation = compatcheck.explain(error)
    return explanation.signature.id if explanation.signature is not None else ""


def guarded() -> bool:
    try:
        compatcheck.assert_compatible(strict=True)
    except IncompatibleVersions as error:
        return error.verdict.bad
    result: ProbeResult = compatcheck.probe_environment()
    return result.as_known is not False


def named(cell: MatrixCell) -> str:
    return " ".join(cell.pins)
