"""The generated parts of a README, between their markers: `<!-- generated: NAME -->` and `<!-- /generated: NAME -->`.

A NAME that ends in `.zh-CN` is the same in Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..domain import Outcome, listed
from ..errors import UsageError
from .chinese import sentences
from .context import BAD, Context
from .entry import FailureClass
from .markdown import pins_table
from .markup import escaped
from .pictures import OVERVIEW, OVERVIEW_CHINESE

_BLOCK = re.compile(
    r"(?P<open><!-- generated: (?P<name>[\w.-]+) -->\n)"
    # not beyond the next opening: a part that is never closed costs its own length
    r"(?P<old>(?:(?!<!-- generated: ).)*?)"
    r"(?P<close><!-- /generated: (?P=name) -->)",
    re.DOTALL,
)
_MARKER = re.compile(r"<!-- /?generated: ([\w.-]+) -->")

ELSEWHERE = frozenset({"logs", "first-tries", "clients"})
"""Parts that something else writes: tests/log_scores.py, benchmarks/clients.py."""

Block = Callable[[Context, str], str]


def with_blocks(text: str, context: Context, folder: str = "reports") -> str:
    """`text` with the report's words between its markers. `folder` is the report's, as seen from the text.

    Raises UsageError where there are no markers, where one is not closed, and where one is not known.
    """
    blocks = [found["name"] for found in _BLOCK.finditer(text)]
    known = (
        f"Known: {', '.join(BLOCKS)}. Write <!-- generated: headline -->, a new line, <!-- /generated: headline -->."
    )
    if not blocks:
        raise UsageError("the file has no place for what is generated", known)
    if unknown := [name for name in blocks if name not in {*BLOCKS, *ELSEWHERE}]:
        raise UsageError(f"no part {', '.join(unknown)} is generated", known)
    markers = _MARKER.findall(text)
    if sorted(markers) != sorted(blocks * 2):
        broken = sorted({name for name in markers if markers.count(name) != 2 * blocks.count(name)})
        raise UsageError(f"the marker of {', '.join(broken)} is not closed, or stands within another", known)

    def renewed(found: re.Match[str]) -> str:
        if found["name"] in ELSEWHERE:
            return found[0]
        said = BLOCKS[found["name"]](context, folder)
        if found["name"] == "headline" and "pins" not in blocks:
            said = _with_pins(context, said)
        return f"{found['open']}{said}\n{found['close']}"

    return _BLOCK.sub(renewed, text)


def headline(context: Context, folder: str) -> str:
    said = "\n".join(f"- {line}" for line in context.headline())
    return f"{said}\n\nMeasured on {context.generated:%Y-%m-%d}."


def _with_pins(context: Context, said: str) -> str:
    """The pins before the last line, for a file that has no part of its own for them."""
    lines, _, last = said.rpartition("\n\n")
    return f"{lines}\n\n{pins_table(context)}\n\n{last}"


def pins(context: Context, folder: str) -> str:
    return pins_table(context)


def heat_map(context: Context, folder: str) -> str:
    good, told = context.totals[Outcome.PASS], context.tally.told
    words = f"Heat map: {good} of {told} combinations of torch, transformers and peft work"
    return f"[![{words}]({folder}/pictures/{OVERVIEW})]({folder}/compatibility.md)"


def torch_part(context: Context, folder: str) -> str:
    """How much of the table torch decides."""
    versions = context.versions("torch")
    alike, pairs = torch_alike(context)
    everywhere, some = classes_by_torch(context)
    said = [
        f"Of the {pairs} pairs of transformers and peft that were measured with torch {listed(versions)} alike, "
        f"{alike} go the same way with each of them: the same outcome, and the same failure.",
        f"{len(everywhere)} of the {len(context.classes)} kinds of failure show with every torch.",
    ]
    said += [f"Only with torch {listed(where)}: “{title_of(each)}”." for each, where in some]
    return "\n".join(f"- {line}" for line in said)


def torch_alike(context: Context) -> tuple[int, int]:
    """Pairs of transformers and peft with one finding whatever the torch, and the pairs measured with every torch."""
    found: dict[tuple[str, ...], dict[str, tuple[Outcome, str | None]]] = {}
    for entry in context.measured:
        if entry.outcome in (Outcome.PASS, *BAD):
            versions = dict(entry.cell.versions)
            torch = versions.pop("torch")
            found.setdefault((entry.cell.python, *versions.values()), {})[torch] = (entry.outcome, entry.failure)
    whole = [each for each in found.values() if len(each) == len(context.versions("torch"))]
    return sum(len(set(each.values())) == 1 for each in whole), len(whole)


def classes_by_torch(context: Context) -> tuple[list[FailureClass], list[tuple[FailureClass, tuple[str, ...]]]]:
    """The failure classes that show with every torch, and the others with the torch versions they show with."""
    versions = context.versions("torch")
    everywhere = [each for each in context.classes if each.versions("torch") == versions]
    some = [(each, each.versions("torch")) for each in context.classes if each.versions("torch") != versions]
    return everywhere, some


def title_of(each: FailureClass) -> str:
    return escaped(each.signature.title) if each.signature else f"`{each.key}`"


# ---------------------------------------------------------------------- the same in Chinese


def headline_chinese(context: Context, folder: str) -> str:
    said = "\n".join(f"- {line}" for line in sentences(context))
    return f"{said}\n\n测量日期：{context.generated:%Y-%m-%d}。"


def pins_chinese(context: Context, folder: str) -> str:
    return pins_table(context, ("torch", "通过全部检查的最新版本组合"), "测过的组合都不能用")


def heat_map_chinese(context: Context, folder: str) -> str:
    good, all_ = context.totals[Outcome.PASS], context.tally.told
    words = f"热力图：{all_} 个 torch、transformers、peft 组合中有 {good} 个可用"
    return f"[![{words}]({folder}/pictures/{OVERVIEW_CHINESE})]({folder}/compatibility.md)"


def torch_chinese(context: Context, folder: str) -> str:
    alike, pairs = torch_alike(context)
    everywhere, some = classes_by_torch(context)
    said = [
        f"有 {pairs} 对 transformers 与 peft 在 torch {'、'.join(context.versions('torch'))} 上都测过，"
        f"其中 {alike} 对不论用哪个 torch 结果都一样：成败相同，失败原因也相同。",
        f"{len(everywhere)} 类失败在每个 torch 上都出现（共 {len(context.classes)} 类）。",
    ]
    said += [f"只在 torch {'、'.join(where)} 上出现：“{title_of(each)}”。" for each, where in some]
    return "\n".join(f"- {line}" for line in said)


BLOCKS: dict[str, Block] = {
    "headline": headline,
    "pins": pins,
    "heatmap": heat_map,
    "torch": torch_part,
    "headline.zh-CN": headline_chinese,
    "pins.zh-CN": pins_chinese,
    "heatmap.zh-CN": heat_map_chinese,
    "torch.zh-CN": torch_chinese,
}
