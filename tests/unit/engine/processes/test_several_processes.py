"""Two processes on the CPU compute what one does, and go on where one of them was killed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.fakes.several_processes import SHARES, batch_norm, convolve, mobilenet, normalise
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.rundir import RunDir

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all cases left."""
    folder = tmp_path_factory.mktemp("several")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.several_processes", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (folder / "stderr").write_text(done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


def ends(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = ast.literal_eval((folder / "ends").read_text())
    return found


def weights(folder: Path, name: str) -> dict[str, Tensor]:
    return dict(load_checkpoint(RunDir(folder / name).weights("last")).weights)


def test_only_the_killed_trainings_fail(folder: Path) -> None:
    failed = {name: codes for name, codes in ends(folder).items() if any(codes)}
    assert failed == {"killed": [1, -9], "half": [1, -9]}, (folder / "stderr").read_text()
    assert (
        "LostProcessError: another process of this training is gone"
        in (folder / "stderr").read_text()
    )


def test_batch_statistics_and_gradients_are_those_of_all_images(folder: Path) -> None:
    whole = normalise(batch_norm(), slice(0, 6))
    first, second = (torch.load(folder / f"norm-{rank}.pt") for rank in range(2))
    assert first.keys() == whole.keys()
    for name, value in whole.items():
        if name in ("x.grad", "y"):
            found = torch.cat([first[name], second[name]])
        elif name.endswith(".grad"):
            found = first[name] + second[name]
        else:
            assert torch.equal(first[name], second[name])
            found = first[name]
        torch.testing.assert_close(found, value, rtol=1e-10, atol=1e-10)


def test_torchvisions_backbones_share_their_statistics_too(folder: Path) -> None:
    whole = convolve(mobilenet("plain"), slice(0, 6))
    first, second = (torch.load(folder / f"cnn-{rank}.pt") for rank in range(2))
    assert first.keys() == whole.keys()
    for name, value in whole.items():
        found = first[name] + second[name] if name.endswith(".grad") else first[name]
        # A shift before a normalisation has no slope but rounding.
        bound = 1e-6 * float(value.abs().max()) + 1e-9
        torch.testing.assert_close(found, value, rtol=0, atol=bound, msg=name)
    apart, name = convolve(mobilenet("plain"), SHARES[0]), "features.0.0.weight.grad"
    assert (apart[name] - first[name]).abs().max() > 0.01 * first[name].abs().max()


@pytest.mark.parametrize("parts", [1, 2])
def test_two_processes_learn_what_one_does(folder: Path, parts: int) -> None:
    one, two = (torch.load(folder / f"double-{size}x{parts}.pt") for size in (1, 2))
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_parts_matter_to_batch_statistics(folder: Path) -> None:
    # Else the comparison of parts above would show nothing.
    one, two = (torch.load(folder / f"double-1x{parts}.pt") for parts in (1, 2))
    assert any(not torch.allclose(one[name], two[name], rtol=1e-3) for name in one)


def test_single_precision_agrees_within_rounding(folder: Path) -> None:
    # Adam moves a weight whose gradient is nothing but rounding by the whole rate.
    one, two = (torch.load(folder / f"single-{size}.pt") for size in (1, 2))
    torch.testing.assert_close(two["loss"], one["loss"], rtol=1e-4, atol=0)
    for name in (name for name in one if name.endswith("weight")):
        assert (two[name] - one[name]).abs().mean() < 1e-5


def test_uneven_evaluations_give_every_process_the_same(folder: Path) -> None:
    results = {path.read_text() for path in folder.glob("evaluated-*")}
    assert len(list(folder.glob("evaluated-*"))) == 3
    assert len(results) == 1
    assert "'images': 3" in results.pop()


def test_boxes_are_the_same_by_any_number_of_processes_and_threads(folder: Path) -> None:
    results = [path.read_text() for path in folder.glob("boxes-*")]
    assert (len(results), len(set(results))) == (3, 1)
    record = ast.literal_eval(results[0])
    assert record["images"] == 5
    assert record["boxes"] > 5
    alone, first, second = (
        (folder / f"found-{name}").read_text().splitlines() for name in ("1-0", "2-0", "2-1")
    )
    assert (len(alone), len(first), len(second)) == (5, 3, 2)
    assert sorted(alone) == sorted(first + second)


def test_a_killed_process_costs_nothing_but_time(folder: Path) -> None:
    whole, resumed = weights(folder, "whole"), weights(folder, "killed")
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    results = [RunDir(folder / name).result.read_text() for name in ("whole", "killed")]
    assert results[0] == results[1]
    assert (folder / "killed-2-0.notes").read_text() == ""


def test_another_number_of_processes_goes_on_and_says_so(folder: Path) -> None:
    assert (folder / "half-1-0.notes").read_text() == (
        "the run was stopped with 2 processes and goes on with 1 process: by the same images, but "
        "not bit for bit"
    )
    assert RunDir(folder / "half").finished
