"""Published weights of TopFormer's successors by their names, over loopback, as people type it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.cli.conftest import run_cli
from tests.contract.test_baselines import build
from tests.fakes.http_server import Page, serving
from tests.fakes.paddle_seg import write_pdparams
from tests.fakes.pp_mobileseg import mobileseg_state
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.models.zoo import ZOO

NAME = "pp-mobileseg-tiny"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(4)
    weights = build(BASELINES[NAME], classes=150).state_dict()
    return write_pdparams(tmp_path / "model.pdparams", mobileseg_state(weights))


def test_they_are_fetched_kept_and_used(
    file: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as server:
        url = server.put("model.pdparams", Page(file.read_bytes()))
        monkeypatch.setitem(ZOO, NAME, replace(ZOO[NAME], url=url))
        record = run_cli("weights", "fetch", NAME, "--json").record
    assert (record["network"], record["parameters"]) == ("PP-MobileSeg-Tiny", 1_492_298)
    assert record["may_be"] == [NAME]
    assert record["origin"]["scored"] == (
        "36.39 mIoU on ade20k, as PaddleSeg reports; not measured here"
    )
    assert (own_cache / "weights" / f"{NAME}.safetensors").is_file()
    Image.new("RGB", (160, 96), (90, 120, 150)).save(tmp_path / "photo.png")
    done = run_cli("segment", tmp_path / "photo.png", "-o", tmp_path / "o.png", "--weights", NAME)
    assert done.code == 0, done.err
    assert (tmp_path / "o.png").is_file()


def test_the_file_of_another_is_refused(file: Path, own_cache: Path) -> None:
    done = run_cli("weights", "fetch", "pp-mobileseg-base", "--from", file)
    assert done.code == 3
    assert (
        "holds PP-MobileSeg-Tiny for segmentation of 150 classes, which pp-mobileseg-base is not "
        "(PP-MobileSeg-Base, segmentation, 150 classes)"
    ) in done.err
    assert not (own_cache / "weights").exists()
    assert "may be pp-mobileseg-tiny" in run_cli("weights", "info", file).out
