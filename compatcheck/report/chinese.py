"""The headline in Chinese: the sentences of `Context.headline`, one for one."""

from __future__ import annotations

from ..domain import Cell, Outcome
from .context import BAD, Context


def sentences(context: Context) -> list[str]:
    totals, tested = context.totals, context.tested
    if not tested:
        return ["这个矩阵还没有任何测量结果。"]
    said = [
        f"能够顺利安装的 {tested} 个组合里，{totals[Outcome.PASS]} 个可用；"
        f"{totals[Outcome.FAIL]} 个报错失败，{totals[Outcome.WRONG]} 个能跑完但结果是错的。"
    ]
    why = "、".join(f"{context.titles[key]}（{count}）" for key, count in context.refusals.items())
    for outcome, words in (
        (Outcome.UNRESOLVABLE, f"无法安装：{why}"),
        (Outcome.ERROR, "因本机的原因没能测量"),
        (Outcome.UNTESTED, "还没有运行"),
    ):
        if totals[outcome]:
            said.append(f"另有 {totals[outcome]} 个组合{words}。")
    newest, best = context.newest(), context.newest_passing()
    if newest is not None and newest.outcome in (Outcome.PASS, *BAD):
        verb = {Outcome.PASS: "可用", Outcome.FAIL: "失败", Outcome.WRONG: "能跑完，但结果是错的"}[newest.outcome]
        where = f"在 {newest.result.stage} 阶段" if newest.outcome is Outcome.FAIL else ""
        said.append(f"全部用最新版（{_named(newest.cell)}）：{where}{verb}。")
    if best is not None and best is not newest:
        said.append(f"可用的最新组合：{_named(best.cell)}。")
    return said


def _named(cell: Cell) -> str:
    return "、".join(f"{package} {version}" for package, version in cell.versions.items())
