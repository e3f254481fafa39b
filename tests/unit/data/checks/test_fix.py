"""What `--fix` mends, what it leaves, and that nothing is ever lost."""

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.fakes import broken
from tests.fakes.broken import Break, image, mask
from tests.fakes.disk import files_end_at
from tests.fakes.pictures import COLOURS, make_custom, noise_image, noise_mask, write_jpeg
from tests.unit.data.checks.conftest import checked, found
from topformer_cli.api.checking import Checked, CheckRequest, check_set
from topformer_cli.api.places import Places
from topformer_cli.data.checks.fix import ORIGINALS
from topformer_cli.data.decode import decode_image
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError

ROOT = Path(__file__).resolve().parents[4]


def fixed(request: FolderRequest) -> Checked:
    return check_set(
        CheckRequest(
            images=request.images,
            masks=request.masks,
            classes=request.classes,
            ignore=request.ignore,
            fix=True,
            places=Places(cache=request.cache_dir),
        ),
        lambda *_: None,
    )


def contents(folder: Path) -> set[str]:
    """The digests of all files, so that what is lost shows."""
    return {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def seen(folder: Path) -> set[str]:
    """The names of files that are not hidden."""
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(name) for name in names if not any(part.startswith(".") for part in name.parts)}


def prepared_masks(request: FolderRequest) -> list[bytes]:
    prepare(request)
    prepared = PreparedSet.open(request.name, request.cache_dir)
    return [
        prepared.sample(split, index).mask
        for split in prepared.card.counts
        for index in range(prepared.length(split))
    ]


MASKS: list[tuple[Break, str]] = [
    (broken.colours, "mask-colours"),
    (broken.sixteen_bits, "mask-16-bit"),
    (broken.one_bit, "mask-bits"),
    (broken.two_bits, "mask-bits"),
    (broken.four_bits, "mask-bits"),
    (broken.opaque_alpha, "mask-alpha"),
]


@pytest.mark.parametrize(("damage", "kind"), MASKS)
def test_mends_masks_without_changing_a_value(
    request_: FolderRequest, damage: Break, kind: str
) -> None:
    values = noise_mask(np.random.default_rng(broken.SEED))
    if damage is broken.one_bit:
        values %= 2
    damage(request_)
    before, names = contents(request_.images.parent), seen(request_.images.parent)
    done = fixed(request_)
    assert [one.kind for one in done.fixed] == [kind]
    assert (done.left, found(done.report)) == ((), {})
    with Image.open(mask(request_)) as mended:
        assert mended.mode == "L"
        assert np.array_equal(np.asarray(mended), values)
    assert before <= contents(request_.images.parent)
    assert seen(request_.images.parent) == names
    assert Path(done.fixed[0].original) == mask(request_).parent / ORIGINALS / mask(request_).name
    assert found(checked(request_)) == {}


def test_turns_an_image_whose_tag_must_apply(request_: FolderRequest) -> None:
    broken.turned(request_)
    with Image.open(image(request_)) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    before = contents(request_.images)
    done = fixed(request_)
    assert [one.file for one in done.fixed] == [str(image(request_).with_suffix(".png"))]
    assert np.array_equal(decode_image(Path(done.fixed[0].file).read_bytes()), upright)
    assert not image(request_).exists()
    assert before <= contents(request_.images)
    assert found(checked(request_)) == {}


def test_takes_off_a_wrong_tag_without_touching_a_pixel(request_: FolderRequest) -> None:
    broken.wrongly_tagged(request_)
    before = image(request_).read_bytes()
    done = fixed(request_)
    after = image(request_).read_bytes()
    assert [one.kind for one in done.fixed] == ["exif"]
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [(6, 1)]
    assert Path(done.fixed[0].original).read_bytes() == before
    assert found(checked(request_)) == {}


def test_a_mended_mask_may_show_what_else_is_wrong(request_: FolderRequest) -> None:
    broken.turned(request_)
    broken.sixteen_bits(request_)
    done = fixed(request_)
    assert [one.kind for one in done.fixed] == ["mask-16-bit", "exif"]
    assert found(done.report) == {}


LEFT: list[tuple[Break, str, str]] = [
    (broken.upside_down, "exif", "its mask fits both ways"),
    (broken.unknown_colour, "mask-colours", "colour 9,8,7"),
    (broken.sixteen_bits_large, "mask-16-bit", "values up to 65535, which do not fit 8 bits"),
    (broken.partial_alpha, "mask-alpha", "not opaque"),
]


@pytest.mark.parametrize(("damage", "kind", "why"), LEFT)
def test_leaves_what_is_not_certain(
    request_: FolderRequest, damage: Break, kind: str, why: str
) -> None:
    damage(request_)
    before = contents(request_.images.parent)
    done = fixed(request_)
    assert done.fixed == ()
    assert [(one.kind, why in one.why) for one in done.left] == [(kind, True)]
    assert contents(request_.images.parent) == before
    assert found(done.report) == {kind: ("wrong", 1)}


def test_what_is_mended_is_what_prepare_makes_of_it(request_: FolderRequest) -> None:
    broken.colours(request_)
    before = prepared_masks(request_)
    fixed(request_)
    assert prepared_masks(dataclasses.replace(request_, force=True)) == before


def test_a_second_fix_of_a_name_keeps_both_originals(request_: FolderRequest) -> None:
    broken.sixteen_bits(request_)
    first = contents(request_.masks)
    fixed(request_)
    broken.opaque_alpha(request_)
    second = contents(request_.masks)
    done = fixed(request_)
    assert done.fixed[0].original.endswith(f"{mask(request_).name}.1")
    assert first | second <= contents(request_.masks)


def test_a_link_is_replaced_and_its_file_kept(request_: FolderRequest, tmp_path: Path) -> None:
    broken.sixteen_bits(request_)
    elsewhere = tmp_path / "elsewhere" / "mask.png"
    elsewhere.parent.mkdir()
    mask(request_).rename(elsewhere)
    mask(request_).symlink_to(os.path.relpath(elsewhere, mask(request_).parent))
    before = elsewhere.read_bytes()
    done = fixed(request_)
    assert found(done.report) == {}
    assert not mask(request_).is_symlink()
    assert elsewhere.read_bytes() == before == Path(done.fixed[0].original).read_bytes()


def test_a_name_that_is_taken_is_not_overwritten(request_: FolderRequest) -> None:
    """The masks lie beside the images, so that a turned image would take a mask's name."""
    flat = dataclasses.replace(
        request_, images=request_.images / "train", masks=request_.masks / "train"
    )
    broken.turned(request_)
    taken = image(request_).with_suffix(".png")
    taken.mkdir()
    done = fixed(flat)
    assert done.fixed == ()
    assert "which is there already" in done.left[0].why
    assert image(request_).is_file()


def test_a_full_disk_loses_nothing(request_: FolderRequest) -> None:
    for number in range(5):
        name = f"train/train_{number:04d}"
        pixels = np.random.default_rng(number).integers(0, 256, (400, 500, 3), dtype=np.uint8)
        write_jpeg(image(request_, name), pixels, orientation=6)
        Image.fromarray(noise_mask(np.random.default_rng(number), 500, 400)).save(
            mask(request_, name)
        )
    before = contents(request_.images.parent)
    with files_end_at(100_000), pytest.raises(DataError, match="nothing is lost"):
        fixed(request_)
    assert before <= contents(request_.images.parent)
    assert len(fixed(request_).fixed) == 5
    assert found(checked(request_)) == {}


def test_a_killed_turn_is_finished(request_: FolderRequest) -> None:
    """The moment between the new file and the removal of the old one."""
    broken.turned(request_)
    original = image(request_).read_bytes()
    fixed(request_)
    kept = image(request_).parent / ORIGINALS / image(request_).name
    shutil.copy(kept, image(request_))
    assert found(checked(request_)) == {"twice": ("wrong", 1), "exif": ("note", 1)}
    done = fixed(request_)
    assert (done.fixed, found(done.report)) == ((), {})
    assert kept.read_bytes() == original


FIX = """
import sys
from pathlib import Path
from tests.unit.data.checks.test_fix import fixed
from topformer_cli.data.sources.custom import FolderRequest
folder = Path(sys.argv[1])
fixed(FolderRequest(name="x", images=folder / "images", masks=folder / "masks",
                    classes=str(folder / "classes.txt"), cache_dir=folder / "cache"))
"""


def make_broken(folder: Path, count: int) -> FolderRequest:
    request = make_custom(folder, count, 1)
    rng = np.random.default_rng(2)
    for number in range(count):
        name = f"train/train_{number:04d}"
        if number % 3 == 0:
            pixels = np.rot90(noise_image(rng), 1).copy()
            write_jpeg(image(request, name), pixels, orientation=6)
        elif number % 3 == 1:
            Image.fromarray(noise_mask(rng).astype(np.uint16)).save(mask(request, name))
        else:
            Image.fromarray(np.array(COLOURS, np.uint8)[noise_mask(rng)]).save(mask(request, name))
    return request


def kill_once(folder: Path, started: Path, delay: float) -> bool:
    """Start a fix, kill it a moment after it has begun to mend, and say whether that came."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", FIX, str(folder)], env=environment)
    known = len(list(started.iterdir())) if started.is_dir() else 0
    while process.poll() is None:
        if started.is_dir() and len(list(started.iterdir())) > known:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.0005)
    return process.wait() == -signal.SIGKILL


def kills(folder: Path, count: int, delays: list[float]) -> int:
    """Kill fixes of a set at some moments; after each, nothing is lost; return the kills."""
    request = make_broken(folder, count)
    before = contents(folder)
    killed = 0
    for delay in delays:
        killed += kill_once(folder, request.masks / "train" / ORIGINALS, delay)
        assert before <= contents(folder)
    done = fixed(request)
    assert (done.left, found(done.report)) == ((), {})
    assert before <= contents(folder)
    names = {f"train/train_{n:04d}.{'jpg' if n % 3 else 'png'}" for n in range(count)}
    assert seen(request.images) == names | {"val/val_0000.jpg"}
    return killed


def test_kills_lose_nothing(tmp_path: Path) -> None:
    assert kills(tmp_path, 240, [0.004, 0.02]) >= 1


@pytest.mark.slow
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    killed = sum(
        kills(tmp_path / str(number), 300, rng.uniform(0, 0.06, 5).tolist()) for number in range(20)
    )
    assert killed >= 60
