"""PaddleSeg's weights: read from its files, and the same function as its own forward pass."""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.fakes.paddle_seg import PaddleForward, paddle_state, save_pdparams
from tests.unit.models.conftest import MakeNetwork
from tests.unit.models.test_pretrained import KNOWN
from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import build_from
from topformer_cli.models.design import OWN
from topformer_cli.models.foreign.pdparams import read_pdparams
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import SIZES, SizeName


def farthest(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.std())


@pytest.mark.parametrize("size", SIZES)
def test_weights_give_what_paddleseg_computes(
    lively: MakeNetwork, tmp_path: Path, size: SizeName
) -> None:
    weights = lively(size).state_dict()
    path = save_pdparams(tmp_path / "model.pdparams", weights)
    read = read_weights(Request(path, known_sets=(KNOWN,)))
    network = build_from(read, str(path)).eval()
    images = torch.randn(2, 3, 128, 192, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        theirs = PaddleForward(size, paddle_state(weights))(images)
        assert theirs.std() > 1e-3
        assert farthest(network(images), theirs) <= 1e-4
        # At sides that are no multiple of 64 its fixed windows leave a rest out.
        images = images[:, :, :96, :160]
        theirs = PaddleForward(size, paddle_state(weights))(images)
        assert farthest(network(images), theirs) <= 1e-4
        assert farthest(fix_input_size(network, 96, 160)(images), theirs) <= 1e-4
        authors = build_model(replace(read.spec, design=OWN)).eval()
        authors.load_state_dict(read.weights)
        assert farthest(authors(images), theirs) > 1e-2
        small = images[:, :, :32, :64]
        assert farthest(fix_input_size(network, 32, 64)(small), network(small)) <= 1e-4


def test_card_and_report(lively: MakeNetwork, tmp_path: Path) -> None:
    weights = lively("small").state_dict()
    path = save_pdparams(tmp_path / "model.pdparams", weights)
    read = read_weights(Request(path, known_sets=(KNOWN,)))
    counters = sum(name.endswith("num_batches_tracked") for name in weights)
    assert read.origin == {
        "file": "model.pdparams",
        "form": "PaddlePaddle",
        "report": f"{len(weights)} tensors matched, none missing, none unexpected ({counters} of "
        "them counters that it does not keep, set to 0)",
        "complete": True,
    }
    assert (read.spec.size, read.spec.fuse, read.spec.dataset) == ("small", "full", "five")
    # Normalised as in configs/topformer: RGB / 255, mean .485 .456 .406, deviation .229 .224 .225.
    assert read.spec.mean == pytest.approx([255 * one for one in (0.485, 0.456, 0.406)])
    assert read.spec.std == pytest.approx([255 * one for one in (0.229, 0.224, 0.225)])
    assert all(torch.equal(weights[name], value) for name, value in read.weights.items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    arrays = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "by columns": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        "number": np.float32([7]).reshape(()),
        "empty": np.zeros((0, 3), np.int64),
        "other order": np.arange(3, dtype=">f4"),
    }
    path = tmp_path / "some.pdparams"
    content: dict[str, object] = {**arrays, "pair": ("linear_0.w_0", arrays["plain"]), "epoch": 3}
    path.write_bytes(pickle.dumps(content, protocol))
    found = read_pdparams(path)
    assert found.keys() == {*arrays, "pair"}
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    np.testing.assert_array_equal(found["pair"], arrays["plain"])


class Hostile:
    """What a file would have run when it is read."""

    def __init__(self, call: object, *values: object) -> None:
        self.made = (call, values)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.made


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "call", ["os.system", "builtins.eval", "builtins.getattr", "numpy.fromfile", "torch.load"]
)
def test_nothing_in_a_pickle_is_run(tmp_path: Path, call: str, protocol: int) -> None:
    marker = tmp_path / "it ran"
    module, _, name = call.rpartition(".")
    words = {
        "os.system": (f"touch '{marker}'",),
        "builtins.eval": (f"open({str(marker)!r}, 'w')",),
    }.get(call, (str(marker),))
    hostile = Hostile(getattr(__import__(module), name), *words)
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps({"a.weight": np.zeros(2), "b": hostile}, protocol))
    with pytest.raises(DataError, match=r"model.pdparams asks for \S+, which weights have no use"):
        read_pdparams(path)
    assert not marker.exists()


def array_pickle(shape: object, data: bytes, code: str = "f4") -> bytes:
    """A pickle of one array, of which shape and bytes need not go together."""
    like = {"a": np.zeros(1, np.float32)}
    good = pickle.dumps(like, 2)
    assert like["a"].tobytes() == b"\0\0\0\0"
    return (
        good.replace(b"K\x01K\x01\x85", b"K\x01" + pickle.dumps(shape, 2)[2:-1])
        .replace(
            b"X\x02\x00\x00\x00f4", b"X%b%b" % (len(code).to_bytes(4, "little"), code.encode())
        )
        .replace(b"X\x04\x00\x00\x00\0\0\0\0", b"X%b%b" % (len(data).to_bytes(4, "little"), data))
    )


def test_the_made_up_pickle_is_one(tmp_path: Path) -> None:
    path = tmp_path / "model.pdparams"
    path.write_bytes(array_pickle((2,), b"\0" * 8))
    assert read_pdparams(path)["a"].shape == (2,)


@pytest.mark.parametrize(
    "content",
    [
        array_pickle((1 << 40,), b"\0" * 4),
        array_pickle((-1,), b"\0" * 4),
        array_pickle(("x",), b"\0" * 4),
        array_pickle((2,), b"\0" * 4),
        array_pickle((1,), b"\0" * 8, "O8"),
        array_pickle((1,), b"\0" * 4, "V4"),
        b"",
        b"\x80\x04garbage",
        b"<html>no file here</html>",
        pickle.dumps({"a": np.zeros(3)}, 4)[:-20],
        b"cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",
        b"cnumpy\nndarray\n)\x81.",
        b"Pelsewhere\n.",
    ],
)
def test_damaged_pickles_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pdparams"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"model.pdparams (is damaged, or no pickle|asks for)"):
        read_pdparams(path)


def test_a_cut_file_never_loads_in_part(lively: MakeNetwork, tmp_path: Path) -> None:
    whole = save_pdparams(tmp_path / "whole.pdparams", lively().state_dict()).read_bytes()
    path = tmp_path / "cut.pdparams"
    for end in range(1, len(whole), len(whole) // 12):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"cut.pdparams is damaged"):
            read_weights(Request(path))


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": "b"}, {"StructuredToParameterName@@": {}}])
def test_pickles_without_arrays(tmp_path: Path, content: Mapping[str, object]) -> None:
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps(content, 4))
    with pytest.raises(DataError, match="holds no named tensors"):
        read_weights(Request(path))
