"""TopFormer's successors compute what their authors' code does, written again in tests.fakes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.contract.test_baselines import build
from tests.fakes.conditioned import well_conditioned
from tests.fakes.paddle_seg import write_pdparams
from tests.fakes.pp_mobileseg import MobileSegForward, mobileseg_state
from tests.fakes.seaformer import (
    HEADS,
    SeaFormerForward,
    paddle_seaformer_state,
    seaformer_state,
)
from topformer_cli.data.catalog import DATASETS
from topformer_cli.errors import DataError
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.models.design import OWN
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.zoo import ZOO

SUCCESSORS = [key for key, row in BASELINES.items() if not row.of_paper]

SIDES = ((128, 192), (96, 160), (32, 64))
"""Images whose maps at 1/32 and 1/64 are no multiples of each other, and of one position."""


def lively(name: str) -> nn.Module:
    torch.manual_seed(5)
    return well_conditioned(build(BASELINES[name])).double()


def images(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    return torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)


def farthest(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    assert theirs.std() > 1e-2
    return float((ours - theirs).abs().max() / theirs.std())


@pytest.mark.parametrize("size", HEADS)
def test_seaformer_is_its_authors(size: str) -> None:
    network = lively(f"seaformer-{size}")
    theirs = SeaFormerForward(size, seaformer_state(network.state_dict()))
    for side in SIDES:
        with torch.inference_mode():
            assert farthest(network(images(*side)), theirs(images(*side))) < 1e-9


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_pp_mobileseg_is_paddlesegs(size: str) -> None:
    network = lively(f"pp-mobileseg-{size}")
    theirs = MobileSegForward(size, mobileseg_state(network.state_dict()))
    for side in SIDES:
        with torch.inference_mode():
            assert farthest(network(images(*side)), theirs(images(*side))) < 1e-9


def write_pth(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    torch.save({"state_dict": dict(tensors), "meta": {"PALETTE": None}}, path)
    return path


State = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
Write = Callable[[Path, Mapping[str, Tensor]], Path]
FILES: list[tuple[str, State, str, Write]] = [
    *((f"seaformer-{size}", seaformer_state, "a.pth", write_pth) for size in HEADS),
    *((f"seaformer-{size}", paddle_seaformer_state, "a.pdparams", write_pdparams)
      for size in HEADS),
    *((f"pp-mobileseg-{size}", mobileseg_state, "a.pdparams", write_pdparams)
      for size in ("tiny", "base")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "state", "file", "write"), FILES)
def test_files_of_others_are_recognised_and_fill_the_network(
    name: str, state: State, file: str, write: Write, tmp_path: Path
) -> None:
    ours = build(BASELINES[name], classes=150).state_dict()
    path = write(tmp_path / file, state(ours))
    read = read_weights(Request(path, known_sets=tuple(DATASETS.values())))
    assert (read.spec.short_name, read.spec.dataset, read.spec.design) == (name, "ade20k", OWN)
    assert read.origin["complete"]
    assert read.weights.keys() == ours.keys()
    assert all(torch.equal(read.weights[key], one) for key, one in ours.items())


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    theirs = seaformer_state(build(BASELINES["seaformer-tiny"]).state_dict())
    path = write_pth(tmp_path / "a.pth", theirs)
    with pytest.raises(DataError, match=r"holds SeaFormer-Tiny, not TopFormer-tiny; drop --size"):
        read_weights(Request(path, size="tiny"))
    theirs.pop("backbone.trans2.transformer_blocks.1.attn.pos_emb_rowk.pos_embed")
    theirs["backbone.smb9.unheard_of"] = torch.zeros(1)
    path = write_pth(tmp_path / "b.pth", theirs)
    said = (
        r"b.pth does not match SeaFormer-Tiny: \d+ tensors matched; 1 missing "
        r"\(encoder.attentions.1.1.attention.rows.key.codes\); 1 unexpected "
        r"\(backbone.smb9.unheard_of\)"
    )
    with pytest.raises(DataError, match=said):
        read_weights(Request(path))


def test_every_successor_has_published_weights() -> None:
    published = {one.backbone for one in ZOO.values() if one.task == "segmentation"}
    assert published - {"topformer"} == {BASELINES[name].encoder for name in SUCCESSORS}
