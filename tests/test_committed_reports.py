"""What is committed under reports/ and said in the README: whole, of one measurement, and without a failure unnamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from compatcheck.catalogues import load_catalogue
from compatcheck.report.document import SCHEMA
from compatcheck.shipped import load_table
from compatcheck.signatures import Basis

HERE = Path(__file__).parent.parent
REPORT = json.loads((HERE / "reports" / "compatibility.json").read_text(encoding="utf-8"))


def test_every_cell_of_the_default_matrix_was_measured() -> None:
    assert REPORT["schema"] == SCHEMA and REPORT["matrix"] == "article"
    outcomes = {cell["outcome"] for cell in REPORT["cells"]}
    assert outcomes <= {"pass", "fail", "wrong", "unresolvable"}
    assert sum(REPORT["totals"].values()) == len(REPORT["cells"]) >= 3 * 8 * 6
    assert len({cell["versions"]["torch"] for cell in REPORT["cells"]}) == 3


def test_no_failing_cell_is_unknown() -> None:
    catalogue = load_catalogue()
    for cell in REPORT["cells"]:
        if cell["outcome"] != "pass":
            assert cell["signature"] is not None and catalogue.get(cell["signature"]) is not None, cell["id"]


def test_what_the_catalogue_calls_measured_is_in_the_table() -> None:
    """Within the versions of a measured statement, every cell is bad, and some cell has that very signature.

    Failures that the versions of the three axes do not decide (a package is missing, a file is broken) are in no table:
    what was measured of them stands in a log.
    """
    in_table = {cell["signature"] for cell in REPORT["cells"]}
    packages = {"torch", "transformers", "peft"}
    for signature in load_catalogue():
        for affected in signature.affected:
            if affected.basis is not Basis.MEASURED or not set(affected.versions) <= packages:
                continue
            cells = [cell for cell in REPORT["cells"] if _within(cell["versions"], affected.versions)]
            if not cells:
                continue  # measured outside of the article's matrix
            if signature.id not in in_table:
                assert _logged(signature.id), f"{signature.id}: neither in the table nor in a log of a run"
                continue
            assert {cell["outcome"] for cell in cells} <= {"fail", "wrong"}, (signature.id, affected.versions)
            assert signature.id in {cell["signature"] for cell in cells}, (signature.id, affected.versions)


def test_no_cell_of_every_minor_release_speaks_against_what_the_catalogue_calls_measured() -> None:
    """Of what these runs never do (a T5, a static cache) their passing says nothing: there, a run's log must stand."""
    report = json.loads((HERE / "reports" / "every-minor" / "compatibility.json").read_text(encoding="utf-8"))
    in_table = {cell["signature"] for cell in report["cells"]}
    packages, held = {"torch", "transformers", "peft"}, 0
    for signature in load_catalogue():
        for affected in signature.affected:
            if affected.basis is Basis.MEASURED and affected.versions and set(affected.versions) <= packages:
                cells = [cell for cell in report["cells"] if _within(cell["versions"], affected.versions)]
                if signature.id not in in_table and any(cell["outcome"] == "pass" for cell in cells):
                    assert _logged(signature.id), f"{signature.id}: neither in the table nor in a log of a run"
                    continue
                assert {cell["outcome"] for cell in cells} <= {"fail", "wrong"}, (signature.id, affected.versions)
                held += len(cells)
    assert held > 500
    assert all(cell["signature"] for cell in report["cells"] if cell["outcome"] != "pass")


def test_the_readme_tells_of_every_minor_release_and_of_expectations_what_their_reports_say() -> None:
    readme = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    report = json.loads((HERE / "reports" / "every-minor" / "compatibility.json").read_text(encoding="utf-8"))
    assert all(cell["outcome"] in {"pass", "fail", "wrong"} for cell in report["cells"])
    assert f"all {len(report['cells']):,} combinations run" in readme
    tried = (HERE / "reports" / "expectations.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in tried.splitlines() if line.startswith("| 2.")]
    right = sum(row[8].strip().startswith("right") for row in rows)
    assert f"the outcome of {right} of {len(rows)} (" in tried
    assert (
        f"{len(rows)} combinations that nobody had run" in readme and f"run: {right} came out as was expected" in readme
    )


def test_the_readme_tells_of_pythons_what_their_report_says() -> None:
    readme = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    report = json.loads((HERE / "reports" / "pythons" / "compatibility.json").read_text(encoding="utf-8"))
    (part,) = (axis for axis in report["axes"] if axis["axis"] == "python")
    assert f"of {part['pairs']:,} pairs of cells that differ in Python alone none fared differently" in readme
    assert (part["changed"], part["plays_part"]) == (0, False)
    assert {cell["outcome"] for cell in report["cells"]} == {"pass", "fail", "wrong", "unresolvable"}
    refused = [cell for cell in report["cells"] if cell["outcome"] == "unresolvable"]

    def never(python: str, **versions: str) -> bool:
        cells = [cell for cell in report["cells"] if cell["python"] == python and _within(cell["versions"], versions)]
        return bool(cells) and all(cell in refused for cell in cells)

    assert never("3.9", torch="==2.15.0") and never("3.10", torch="==2.15.0")
    assert never("3.9", transformers=">=5") and never("3.10", transformers="==5.24.0")
    assert never("3.13", transformers=">=4.41,<4.45")
    assert load_table().python_pairs[1] == 0


def test_the_readme_tells_of_the_replay_what_it_found() -> None:
    readme = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    lines = (HERE / "benchmarks" / "explore_replay.md").read_text(encoding="utf-8").splitlines()
    rows = [[part.strip() for part in line.split("|")[1:]] for line in lines if line.startswith("| ")]
    found = {
        (table.partition(":")[0], share, method.partition(":")[0]): right for table, share, _, method, right, *_ in rows
    }

    def told(table: str, method: str, *shares: str) -> list[str]:
        return [found[table, share, method].rstrip("%") for share in shares]

    minor, article = (
        told("every-minor", "explorer", "5%", "10%", "20%"),
        told("article", "explorer", "10%", "20%", "30%"),
    )
    assert (
        f"in {minor[0]} % of the outcomes with a twentieth of the cells, {minor[1]} with a tenth, {minor[2]} with a"
        in readme
    )
    assert f"{article[0]}, {article[1]} and {article[2]} % with a tenth, a fifth and three tenths" in readme
    forks = [told(table, "explorer, forks", "10%")[0].removesuffix(".0") for table in ("every-minor", "article")]
    assert f"usual runs to {forks[0]} and {forks[1]} %" in readme
    blind = [told(table, "explorer, without the sources", "10%")[0] for table in ("every-minor", "article")]
    assert f"Without the sources it would be {blind[0]} and {blind[1]} % with a tenth" in readme


def _logged(signature: str) -> bool:
    """Whether some log of the corpus comes from a run made for this signature."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in (HERE / "tests" / "logs").glob("*.txt"))
    heads = (text[:1000] for text in texts)
    return any(f"expect: {signature}\n" in head and "source: measured" in head for head in heads)


def _within(versions: dict[str, str], specifiers: Mapping[str, str]) -> bool:
    return all(SpecifierSet(specifier).contains(versions[package]) for package, specifier in specifiers.items())


def test_every_lock_is_there() -> None:
    locks = {path.stem for path in (HERE / "reports" / "locks").glob("*.txt")}
    assert locks == {cell["id"] for cell in REPORT["cells"] if cell["lock"]}


def test_the_other_files_say_the_same() -> None:
    page = (HERE / "reports" / "compatibility.md").read_text(encoding="utf-8")
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for line in REPORT["headline"]:
        assert line in page and f"- {line}\n" in readme
    rows = (HERE / "reports" / "compatibility.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(REPORT["cells"]) + 1
    for line in page.splitlines():
        if line.startswith("| 2.") and "torch==" in line:
            assert line in readme, "the pins"


@pytest.mark.parametrize(
    "name",
    [
        *("compatibility.json", "compatibility.md", "compatibility.csv"),
        *("bloomz-560m/compatibility.json", "bloomz-560m/agreement.md", "methods/methods.json", "methods/methods.md"),
    ],
)
def test_no_path_of_a_machine_is_told(name: str) -> None:
    text = (HERE / "reports" / name).read_text(encoding="utf-8")
    assert not any(path in text for path in ("/root/", "/home/", "/tmp/", "/Users/"))


def test_the_full_shape_was_run_in_every_cell_of_the_article_and_what_agrees_is_told_rightly() -> None:
    full = json.loads((HERE / "reports" / "bloomz-560m" / "compatibility.json").read_text(encoding="utf-8"))
    assert full["scenario"]["model"] == "bloomz-560m:random" and REPORT["scenario"]["model"] == "tiny-bloom"
    tiny = {cell["id"]: cell for cell in REPORT["cells"]}
    assert {cell["id"] for cell in full["cells"]} == set(tiny)
    assert {cell["outcome"] for cell in full["cells"]} <= {"pass", "fail", "wrong", "unresolvable"}
    decides = ("outcome", "stage", "signature")
    differing = {cell["id"] for cell in full["cells"] if any(cell[name] != tiny[cell["id"]][name] for name in decides)}
    told = (HERE / "reports" / "bloomz-560m" / "agreement.md").read_text(encoding="utf-8")
    start = f"- {len(differing)} of 384 cells" if differing else "- All 384 cells"
    assert start in told
    for name in differing:
        assert told.count(name) == 2, "among the differences, and among all cells"


def test_the_methods_were_asked_of_every_pair_and_the_silent_ones_are_told_first() -> None:
    asked = json.loads((HERE / "reports" / "methods" / "methods.json").read_text(encoding="utf-8"))
    for package in ("transformers", "peft"):
        assert len({cell["versions"][package] for cell in asked["cells"]}) >= 6
    scenarios = [(cell, each) for cell in asked["cells"] for each in cell["scenarios"]]
    assert len(asked["cells"]) == 36 and len(scenarios) == 36 * 5 * 6
    assert {each["outcome"] for _, each in scenarios} <= {"pass", "fail", "wrong"}
    ignored = {
        (cell["versions"]["transformers"], cell["versions"]["peft"], each["method"], each["model"])
        for cell, each in scenarios
        if each["ignored"]
    }
    assert ("4.45.2", "0.12.0", "prompt-tuning", "tiny-llama") in ignored, "peft#2123"
    page = (HERE / "reports" / "methods" / "methods.md").read_text(encoding="utf-8")
    assert f"In {len(ignored)} scenarios `generate` says what the model says without" in page
    assert page.index("## Ignored in silence") < page.index("## By method and architecture")


def test_the_readme_tells_of_the_explored_matrix_what_its_report_says() -> None:
    explored = json.loads((HERE / "reports" / "full" / "compatibility.json").read_text(encoding="utf-8"))
    found = explored["exploration"]
    measured = [cell for cell in explored["cells"] if cell["basis"] == "measured" and cell["outcome"] != "untested"]
    readme = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(measured):,} cells were run and {sum(found['inferred'].values()):,} inferred" in readme
    assert f"with a confidence of {found['claimed']:.3f}" in readme
    told = sum(bool((cell.get("inferred") or {}).get("source")) for cell in explored["cells"])
    assert f"{told:,} of them by what sources say" in readme
    assert f"{sum(cell['outcome'] == 'untested' for cell in explored['cells'])} stay untested" in readme
    errors, named, unnamed = (found["audit"][each] for each in ("errors", "other_names", "unnamed"))
    assert errors["hits"] == 0 and f"of {errors['count']} cells drawn for the audit no inferred outcome" in readme
    assert f"of {named['count']} failures that it named {named['hits']} had another name" in readme
    assert f"{unnamed} more were inferred to fail, without a name" in readme
