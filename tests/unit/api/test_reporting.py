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
        images=2000, protocol="p", headline=Headline("miou", "mIoU", 32.9), comparison=comparison,
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


class Linked(Found):
    """A find in which every measurement is of one run."""

    def run_of(self, result: BenchResult) -> str:  # noqa: ARG002
        return "runs/train/a"


def test_hosts_and_phones_never_share_a_panel_and_ratios_are_of_phones() -> None:
    rival = replace(bench_sessions.result(126.0), model="lraspp", card={})
    phone = timed()
    phone = replace(phone, session=BenchSession((rival, phone.result)))
    host = timed(device=DeviceFacts(kind="host", model="Some Processor"))
    other_input = timed(input_shape=(1, 3, 256, 256))
    found = Linked(
        measured=[phone, host, other_input], evaluations=[scored(FITS)], runs=[trained()]
    )
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
        name="net", source=Source(), card={}, inputs=(TensorInput(name="x", shape=shape),),
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
