"""Which line of a table a record stands in, and which marks it gets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.fakes import bench_sessions
from topformer_cli.api.paper_tables import segmenters
from topformer_cli.api.reporting.gathering import (
    Evaluated,
    Exported,
    Found,
    Measured,
    Trained,
    gather,
)
from topformer_cli.api.reporting.layers import latency_shares
from topformer_cli.api.reporting.listing import sheets
from topformer_cli.api.reporting.panels import scatter
from topformer_cli.api.reporting.placing import VARIANTS, filled
from topformer_cli.api.reporting.standing import standing
from topformer_cli.bench.sessions.history import Entry, History
from topformer_cli.deploy.manifest import (
    FileRecord,
    Manifest,
    Source,
    TensorInput,
    TensorOutput,
)
from topformer_cli.deploy.parts import PART_KEY
from topformer_cli.errors import UsageError
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.models.spec import BACKBONES, SIZES
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.report.overview.records import Line
from topformer_cli.results import (
    BenchResult,
    BenchSession,
    DeviceFacts,
    EvalResult,
    Headline,
    LabelScores,
    LayerTime,
)
from topformer_cli.results.comparison import Beside, Comparison
from topformer_cli.results.kept import KeptEvaluation
from topformer_cli.results.paper_table import PaperTable
from topformer_cli.rundir import RunDir, write_json

USUAL = "keep_ratio 2048x512, sides to multiples of 32; whole image, single scale"
CARD = segmenters.segmenter_card("tiny", "ade20k", 512)
FITS = Comparison(
    beside=(Beside(source="paper Table 1", value=32.8, difference=0.1),), nearest="paper Table 1"
)
README_ONLY = Comparison(
    beside=(Beside(source="README 2x8", value=33.6, difference=-0.7),), nearest="README 2x8"
)
NOT = Comparison(reasons=("no ImageNet weights",), nearest="paper Table 1 at 448")


@pytest.fixture(scope="module")
def table_1() -> PaperTable:
    return segmenters.table_1()


def scored(comparison: Comparison | None, run: str = "runs/train/a") -> Evaluated:
    kept = KeptEvaluation(
        model="TopFormer-tiny", weights="best.safetensors", dataset="ade20k", split="val",
        images=2000, protocol=f"code: {USUAL}", headline=Headline("miou", "mIoU", 32.9),
        comparison=comparison,
    )  # fmt: skip
    return Evaluated(kept, Path("eval-ade20k-val.json"), run)


def timed(**changed: Any) -> Measured:
    result: BenchResult = replace(bench_sessions.result(), **{"card": CARD.to_json(), **changed})
    return Measured(result, BenchSession((result,)), Path("runs/bench/t-001/result.json"))


def trained() -> Trained:
    recipe = load_recipe("ade20k", Choices("tiny"))
    return Trained("runs/train/a", RunDir(Path("runs/train/a")), recipe, None, {})


def ours(table: PaperTable, found: Found) -> list[Line]:
    lines = filled(table, found).lines
    return [line for line in lines if line.whose in ("evaluated", "measured")]


def test_every_network_of_the_tables_is_known_by_its_name() -> None:
    assert set(VARIANTS.values()) == {*SIZES, *BACKBONES, *BASELINES} - {"topformer"}
    assert VARIANTS[CARD.network] == "tiny"


@pytest.mark.parametrize(
    ("comparison", "row", "why"),
    [
        (FITS, "TopFormer-T, 512x512", ""),
        (README_ONLY, "TopFormer-T, 512x512", "not comparable with the paper's figure, but: publ"),
        (NOT, "TopFormer-T, 448x448", "not comparable: no ImageNet weights (held against paper"),
        (None, "TopFormer-T, 512x512", "not comparable: the record does not say"),
    ],
)
def test_a_score_is_marked_unless_it_is_comparable(
    table_1: PaperTable, comparison: Comparison | None, row: str, why: str
) -> None:
    (line,) = ours(table_1, Found(evaluations=[scored(comparison)]))
    figure = line.figures[2]
    assert figure is not None
    assert (line.network, figure.text, line.where) == (row, "32.90", "runs/train/a")
    assert figure.why.startswith(why)
    assert bool(figure.why) == bool(why)


def test_scores_of_other_sets_stand_in_no_table_of_the_paper(table_1: PaperTable) -> None:
    one = scored(FITS)
    other = replace(one, kept=replace(one.kept, dataset="camvid"))
    assert ours(table_1, Found(evaluations=[other])) == []


def test_a_latency_like_the_papers_has_no_mark_and_all_others_have(table_1: PaperTable) -> None:
    host = DeviceFacts(kind="host", model="Some Processor")
    for changed, why in (
        ({}, ""),
        ({"device": host}, "on a host (Some Processor), not a Snapdragon 865"),
        ({"device": replace(bench_sessions.PHONE, soc="SM8550")}, "on SM8550"),
        ({"engine": "LiteRT"}, "engine LiteRT, not TNN"),
        ({"precision": "auto", "threads": 4}, "precision auto, not fp32; 4 threads, not 1"),
        ({"verdict": "unstable"}, "verdict unstable"),
        ({"parity": None}, "output not held against"),
    ):
        (line,) = ours(table_1, Found(measured=[timed(**changed)]))
        figure = line.figures[3]
        assert figure is not None
        assert line.network == "TopFormer-T, 512x512"
        assert why in figure.why
        assert bool(figure.why) == bool(why)


def test_emulated_times_are_in_no_row_and_no_panel(table_1: PaperTable) -> None:
    found = Found(measured=[timed(emulated=True)], evaluations=[scored(FITS)])
    assert ours(table_1, replace(found, evaluations=[])) == []
    plot = scatter(found)
    assert len(plot.panels) == 1
    assert any("emulated" in text for text in plot.undrawn)
    (sheet,) = (one for one in sheets(found) if one.name == "measurements")
    assert "emulated, not a latency" in sheet.rows[0][1]


def test_of_equal_conditions_the_last_latency_stands(table_1: PaperTable) -> None:
    earlier, later = timed(), timed(started="2027-01-01T00:00:00+00:00")
    (line,) = ours(table_1, Found(measured=[later, earlier]))
    assert "2027-01-01" in line.conditions


def linked(measured: list[Measured], evaluations: list[Evaluated]) -> Found:
    """Return a find in which every measurement is of one run's best checkpoint."""
    exports = [
        Exported(manifest_of(one.result), Path("runs/train/a/export/net.json"), "runs/train/a")
        for one in measured
    ]
    return Found(
        runs=[trained()], evaluations=evaluations, exports=exports, measured=measured
    )  # fmt: skip


def test_hosts_and_phones_never_share_a_panel_and_ratios_are_of_phones() -> None:
    rival = replace(bench_sessions.result(126.0), model="lraspp", card={})
    phone = timed()
    phone = replace(phone, session=BenchSession((rival, phone.result)))
    host = timed(device=DeviceFacts(kind="host", model="Some Processor"))
    other_input = timed(input_shape=(1, 3, 256, 256))
    found = linked([phone, host, other_input], [scored(FITS)])
    assert any("of another input" in text for text in scatter(found).undrawn)
    panels = scatter(found).panels
    assert [panel.title for panel in panels] == [
        "Quoted from the paper: Table 1", "Here: Acme One, phone", "Here: Some Processor, host",
        "Ratios: the paper's (circles), ours",
    ]  # fmt: skip
    for panel in panels[:3]:
        assert len({point.whose for point in panel.points}) == 1
    assert [len(panel.points) for panel in panels[1:3]] == [1, 1]
    (ours_,) = (point for point in panels[3].points if point.whose == "here")
    assert ours_.x == pytest.approx(43 / 126, rel=0.05)
    (tiny,) = (p for p in panels[3].points if p.whose == "quoted" and p.name == "TopFormer-T")
    assert tiny.x == pytest.approx(43 / 126)


def test_of_several_evaluations_that_of_the_run_as_it_tests_is_drawn() -> None:
    own = scored(FITS)
    others = [
        other(own, dataset="zoo"),
        other(own, weights="checkpoints/last.safetensors"),
        other(own, split="train"),
        other(own, protocol=f"fixed: {USUAL}"),
        other(own, protocol=USUAL.replace("2048x512", "2048x448")),
        other(own, protocol=USUAL.replace("single scale", "scales 0.75, 1, flipped too")),
        other(own, protocol=USUAL.replace("whole image", "windows of 512x512 every 341")),
        other(own, headline=None, flaws=("no score: no pixel is labelled",)),
        other(own, flaws=("incomplete: 1 of 8 images left out",)),
    ]
    moved = replace(other(own), path=Path("eval-ade20k-val-0a1b2c3d.json"))
    found = linked([timed()], [moved, *others, own, *others, moved])
    (point,) = scatter(found).panels[1].points
    assert point.miou == 32.9
    assert point.told == f"mIoU by the protocol code: {USUAL}; latency at input 512x512"
    plot = scatter(linked([timed()], others))
    assert len(plot.panels) == 1
    assert any("1 latencies are not drawn" in text for text in plot.undrawn)


def other(one: Evaluated, **changed: Any) -> Evaluated:
    """Return an evaluation of the same run with another score."""
    away = {"headline": Headline("miou", "mIoU", 99.0), **changed}
    return replace(one, kept=replace(one.kept, **away))


def test_without_a_score_or_with_images_left_out_no_column_of_the_paper_has_a_figure(
    table_1: PaperTable,
) -> None:
    record = evaluation().to_json()
    none = kept(record | {"miou": None})
    part = kept(record | {"images": 7, "left_out": ["x: the image cannot be decoded"]})
    assert (none.headline, none.score, part.score) == (None, "no score", "mIoU 1.00 (incomplete)")
    assert "2 images; no score: no pixel is labelled; p" in none.conditions
    assert "7 images; incomplete: 1 of 8 images left out; p" in part.conditions
    found = Found(evaluations=[Evaluated(one, Path("e.json"), "a") for one in (none, part)])
    assert ours(table_1, found) == []
    assert filled(table_1, found).notes[-2:] == (
        "not in this table: a, no score: no pixel is labelled",
        "not in this table: a, incomplete: 1 of 8 images left out",
    )
    rows = standing([table_1], found).rows
    assert next(row[2] for row in rows if row[1] == "TopFormer-T, 512x512") == "counted"
    (sheet,) = sheets(found)
    assert [row[2] for row in sheet.rows] == ["no score", "mIoU 1.00 (incomplete)"]
    assert [row[3] for row in sheet.rows] == [
        "–", "not comparable: incomplete: 1 of 8 images left out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "why"), [("ap", "no score: no object is labelled"), ("top1", "no score")]
)
def test_boxes_and_classes_may_have_no_score_either(key: str, why: str) -> None:
    record = {name: value for name, value in evaluation().to_json().items() if name != "miou"}
    one = kept(record | {key: None})
    assert (one.score, one.flaws) == ("no score", (why,))
    assert kept(record | {key: 0.0}).score.endswith(" 0.00")


def kept(record: dict[str, Any]) -> KeptEvaluation:
    found = KeptEvaluation.from_json(record)
    assert found is not None
    return found


def test_a_verdict_that_is_not_stable_has_its_reasons_beside_it(table_1: PaperTable) -> None:
    found = Found(measured=[timed(verdict="unstable", reasons=("two speeds", "heat"))])
    (sheet,) = sheets(found)
    assert "[unstable]" in sheet.rows[0][1]
    assert sheet.rows[0][2].startswith("unstable (two speeds; heat); ")
    assert "; unstable (two speeds; heat); " in ours(table_1, found)[0].conditions


def test_a_latency_without_a_score_is_told_not_drawn() -> None:
    plot = scatter(Found(measured=[timed()]))
    assert len(plot.panels) == 1
    assert any("1 latencies are not drawn" in text for text in plot.undrawn)


def test_a_row_is_done_only_where_its_score_is_comparable(table_1: PaperTable) -> None:
    def status(*evaluated: Evaluated) -> str:
        rows = standing([table_1], Found(evaluations=list(evaluated))).rows
        return next(row[2] for row in rows if row[1] == "TopFormer-T, 512x512")

    assert status() == "counted"
    assert status(scored(None)) == "counted"
    assert status(scored(README_ONLY)) == "counted, trained here"
    foreign = scored(FITS, run="")
    assert status(foreign, scored(FITS)) == "counted, weights evaluated, trained here"


def test_times_of_layers_are_summed_by_part(tmp_path: Path) -> None:
    values = {"conv2d": "token_pyramid", "conv2d_1": "token_pyramid", "pool": "", "logits": "head"}
    nodes = [onnx.helper.make_node("Relu", ["x"], [value]) for value in values]
    for node, part in zip(nodes, values.values(), strict=True):
        if part:
            node.metadata_props.add(key=PART_KEY, value=part)
    graph = onnx.helper.make_graph(nodes, "net", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    exported = Exported(manifest_of(timed().result), tmp_path / "net.json")
    layers = tuple(
        LayerTime(name, "Conv", ms)
        for name, ms in (("conv2d", 2.0), ("conv2d_1", 1.0), ("pool", 0.5), ("reformat", 0.5),
                         ("logits", 1.0))
    )  # fmt: skip
    found = Found(measured=[timed(layers=layers), timed()], exports=[exported])
    [sheet] = latency_shares(found)
    assert [row[1:5] for row in sheet.rows] == [
        ("token pyramid module", "2", "3.000", "60.0%"),
        ("outside the parts", "1", "0.500", "10.0%"),
        ("not known", "1", "0.500", "10.0%"),
        ("head", "1", "1.000", "20.0%"),
    ]
    assert latency_shares(Found(measured=found.measured)) == ()
    found.measured = [timed(layers=layers, emulated=True)]
    assert latency_shares(found) == ()


def manifest_of(result: BenchResult) -> Manifest:
    """Return the manifest of an export whose files were measured."""
    shape = (1, 3, 64, 64)
    return Manifest(
        name="net", source=Source(name="best.safetensors"), card={},
        inputs=(TensorInput(name="x", shape=shape),),
        outputs=(TensorOutput(name="logits", shape=shape, meaning="logits"),),
        files=tuple(
            FileRecord(name=name, sha256=sha256, bytes=1) for name, sha256 in result.files.items()
        ),
        parity={}, images="noise", versions={},
    )  # fmt: skip


def test_records_are_gathered_once_and_damaged_ones_are_named(tmp_path: Path) -> None:
    result = bench_sessions.result()
    folder = tmp_path / "bench" / "t-001"
    write_json(folder / "result.json", BenchSession((result,)).to_json())
    (tmp_path / "bench" / "latest").symlink_to("t-001")
    torn = tmp_path / "bench" / "t-002" / "result.json"
    torn.parent.mkdir()
    torn.write_text((folder / "result.json").read_text()[:200])
    entry = Entry.of(result)
    gone = Entry.of(replace(result, started="2020-01-01T00:00:00+00:00"))
    assert entry is not None
    assert gone is not None
    history = tmp_path / "bench" / "history.jsonl"
    History(history).append([entry, gone])
    write_json(tmp_path / "eval-given.json", evaluation().to_json() | {"later": True})
    write_json(tmp_path / "eval-other.json", {"something": "else"})
    found = gather([tmp_path, folder])
    assert len(found.measured) == len(found.past) == len(found.evaluations) == 1
    assert found.past[0].time == gone.time
    assert [text.partition(" was left out")[0] for text in found.problems] == [
        str(tmp_path / "eval-other.json"), str(torn),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no such run, folder or record"):
        gather([tmp_path / "nothing"])


def evaluation() -> EvalResult:
    return EvalResult(
        model="TopFormer-tiny", weights="w.pth", dataset="ade20k", split="val", images=2,
        protocol="p", classes=("a",),
        found=LabelScores(1.0, 1.0, 1.0, 1.0, iou=(1.0,), accuracy=(1.0,)),
    )  # fmt: skip
