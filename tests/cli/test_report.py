"""`topformer report` on real runs, and its mistakes."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Road, run_cli
from tests.cli.test_road import quietly
from tests.unit.report.test_page import Page


def test_a_run_stands_beside_the_paper_with_its_marks(ade20k: Road, tmp_path: Path) -> None:
    quietly(ade20k.run("eval"))
    quietly(ade20k.run("export"))
    (exported,) = (ade20k.latest / "export").glob("*.onnx")
    quietly(ade20k.run("eval", exported))  # by a protocol that has no place in the tables
    # Copied, so that what is broken here is of no other test; without what others evaluated.
    runs = tmp_path / "runs"
    shutil.copytree(ade20k.runs, runs, symlinks=True, ignore=lambda *_: ["eval"])
    (runs / "train" / "torn-tiny-001").mkdir()
    (runs / "train" / "torn-tiny-001" / "recipe.yaml").write_text("dataset: [")
    done = run_cli("report", "--work-dir", runs, "--json")
    assert done.code == 0, done.err
    record = done.record
    assert "torn-tiny-001" in record["left_out"][0]
    assert "torn-tiny-001" in done.err
    evaluated = [one for one in record["tables"]["table-1"] if one["whose"] == "evaluated here"]
    assert evaluated
    for one in evaluated:
        assert one["not as the paper's"].startswith("not comparable: no ImageNet weights")
        assert "2 images" in one["conditions"]
    kept = json.loads(next(runs.glob("train/*/eval-ade20k-val.json")).read_text())
    assert f"{kept['miou']:.2f}" in {one["mIoU"] for one in evaluated}
    page = Page(Path(record["page"]).read_text(encoding="utf-8"))
    assert (page.problems, page.open) == ([], [])
    assert "torn-tiny-001" in page.text
    assert "Table 11 of the paper" in page.text
    names = {path.name for path in (runs / "report" / "tables").iterdir()}
    assert {f"table-{number}.csv" for number in (1, 9, 10, 11)} | {"runs.csv"} <= names
    assert [Path(path).name for path in record["files"]] == sorted(
        names, key=[Path(path).name for path in record["files"]].index
    )


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ((), 2, "no run, evaluation, measurement or export under"),
        (("nothing.json",), 2, "nothing.json: no such run, folder or record"),
        (("HERE",), 3, "nothing to report: no run, evaluation"),
        (("HERE/odd.json",), 3, "no record of an evaluation or a measurement"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, words: tuple[str, ...], code: int, line: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "odd.json").write_text("{}")
    given = [word.replace("HERE", str(here)) for word in words]
    done = run_cli("report", *given, "--work-dir", tmp_path / "runs", "-q")
    assert (done.code, done.out) == (code, "")
    assert line in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
