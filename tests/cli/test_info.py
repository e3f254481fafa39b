"""What `info` says of exported files, and of the difference of two."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Road, run_cli
from topformer_cli import console
from topformer_cli.commands.networks import shortened


@pytest.fixture(scope="module")
def manifest(road: Road) -> Path:
    return next((road.latest / "export").glob("*.json"))


def said(done: Ran) -> str:
    assert done.code == 0, done.err
    return done.out


def test_a_network_is_shown_layer_by_layer(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_stdout", lambda: _narrow())
    record = run_cli("info", manifest.with_suffix(".tnnmodel"), "--json").record
    text = said(run_cli("info", manifest.with_suffix(".tnnproto")))
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines() if line[:4].strip().isdigit()]
    assert [int(row[0]) for row in rows] == list(range(len(record["layers"])))
    assert rows[0][2:5] == ["Conv", "3x3/2", "ReLU"]
    assert f"{record['weights']:,}" in text
    assert ".tnnmodel" in text
    assert "(fp32)" in text


def _narrow() -> object:
    import sys

    from rich.console import Console

    return Console(file=sys.stdout, width=80)


def test_a_network_costs_what_its_run_does(road: Road, manifest: Path) -> None:
    parts = road.run("info", road.latest, "--json").record["parts"]
    record = run_cli("info", manifest.with_suffix(".tnnproto"), "--json").record
    assert record["multiply_adds"] == pytest.approx(parts[-1]["multiply_adds"], rel=0.002)
    # Batch normalisation has become part of the convolutions.
    assert 0.98 < record["weights"] / parts[-1]["parameters"] < 1


def test_an_export_is_shown_by_its_manifest(manifest: Path) -> None:
    text = said(run_cli("info", manifest))
    assert text == said(run_cli("info", manifest.with_suffix(".onnx")))
    record = run_cli("info", manifest, "--json").record
    assert record["formats"] == ["onnx", "tnn"]
    for word in ("logits at 1/8", "never> sold", *(one["name"] for one in record["files"])):
        assert word in text
    assert f"{record['parity']['tnn']['relative']:.1e}" in text


def test_a_difference_names_the_layers(manifest: Path, tmp_path: Path) -> None:
    proto = manifest.with_suffix(".tnnproto")
    other = tmp_path / "other.tnnproto"
    lines = proto.read_text().splitlines(keepends=True)
    assert lines[5].endswith(' 1 ,"\n')
    # The first convolution without its activation.
    lines[5] = lines[5].removesuffix('1 ,"\n') + '0 ,"\n'
    other.write_text("".join(lines))
    text = said(run_cli("info", manifest, "--diff", other))
    rows = [line.split() for line in text.splitlines()]
    assert [row[2:5] for row in rows if row[:1] == ["was"]] == [["Conv", "3x3/2", "ReLU"]]
    assert [row[2:4] for row in rows if row[:1] == ["now"]] == [["Conv", "3x3/2"]]
    assert "were not compared (a .tnnmodel is missing)" in text
    assert "no weights beside it" in said(run_cli("info", other))
    shutil.copy(proto.with_suffix(".tnnmodel"), other.with_suffix(".tnnmodel"))
    record = run_cli("info", proto, "--diff", other, "--json").record
    assert [one["kind"] for one in record["changes"]] == ["changed"]
    assert (record["types"], record["other_weights"]) == ([], 0)
    same = said(run_cli("info", proto, "--diff", proto))
    assert "layers that differ" not in same


def test_a_head_beside_is_counted_apart() -> None:
    done = run_cli("info", "raspp-mobilenetv2", "--input", "64")
    told = " ".join(done.out.split())
    assert "auxiliary 65,174 parameters of a head trained beside; in nothing above" in told
    assert "all 2,146,710 100.0" in told
    record = run_cli("info", "raspp-mobilenetv2", "--input", "64", "--json").record
    assert record["parameters_beside"] == 65_174
    alone = run_cli("info", "raspp-mobilenetv2", "--input", "64", "-o", "model.auxiliary=0")
    assert "trained beside" not in alone.out


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("seaformer-tiny", "1.7 M parameters, 0.6 G multiply-adds at 512x512 with 150 classes "
         "(fudan-zvg/SeaFormer, seaformer-seg/README.md)"),
        ("pp-mobileseg-base", "5.62 times 2^20 values in its file with 150 classes "
         "(PaddlePaddle/PaddleSeg, configs/pp_mobileseg/README.md)"),
        ("raspp-mobilenetv2", "2.2 M parameters, 2.8 G multiply-adds at 512x512 with 150 classes "
         "(paper Table 1)"),
    ],
)  # fmt: skip
def test_printed_figures_are_told_with_their_place(name: str, printed: str) -> None:
    assert f"printed {printed}" in " ".join(said(run_cli("info", name)).split())


def test_a_table_of_the_paper_has_our_count_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_stdout", lambda: _narrow())
    text = said(run_cli("info", "--table", "11"))
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    assert ["TopFormer-T", "paper", "27.1", "2.1", "160", "1.0", "10.5"] in rows
    assert ["here", "not", "run", "2.0", "c", "160", "1.4", "d", "10.6", "a"] in rows
    assert "only what can be counted stands here" in text
    record = run_cli("info", "--table", "11", "--json").record
    assert record["rows"][0]["network"] == "ShuffleNetV2"
    cell = record["rows"][0]["overall_gmadds"]
    assert (cell["paper"], cell["agrees"], round(cell["here"], 1)) == (161, True, 161.0)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--table", "12"), 2, "--table 12: nothing is counted for it here; there is: 1, 2, 3"),
        (("coco", "--table", "11"), 2, "TARGET does not go with --table 11: its rows are fixed"),
        (("--table", "11", "-o", "batch=2"), 2, "-o does not go with --table 11"),
        (("none.tnnproto",), 4, "none.tnnproto: cannot be read as a .tnnproto file (No such file"),
        (("none.json",), 4, "none.json: no manifest"),
        (("none.tnnproto", "--size", "tiny"), 2, "--size does not go with none.tnnproto"),
        (("a.json", "--input", "64x64"), 2, "--input does not go with a.json"),
        (("ade20k", "--diff", "b.tnnproto"), 2, "ade20k is no TNN network; name a .tnnproto"),
    ],
)
def test_mistakes_are_told_in_one_line(words: tuple[str, ...], code: int, line: str) -> None:
    done = run_cli("info", *words)
    assert (done.code, done.out) == (code, "")
    assert line in done.err
    assert len(done.err.splitlines()) == 1


def test_long_names_lose_their_middle() -> None:
    assert shortened("/backbone/block.3/Conv_output_0", 13) == "/backb…tput_0"
    assert shortened("/backbone/block.3/Conv_output_0", 12) == "/back…tput_0"
    assert shortened("conv", 4) == "conv"
