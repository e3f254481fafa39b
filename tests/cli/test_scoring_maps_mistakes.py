"""What is wrong with label maps, or with how they are asked for, is told in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Road, run_cli
from tests.cli.test_mistakes import refused
from tests.fakes.label_maps import NAMES, LabelMaps

Spoil = Callable[[LabelMaps], object]
SIZE = (16, 24)
"""Of the first image."""


@pytest.fixture
def maps(tmp_path: Path) -> LabelMaps:
    return LabelMaps(tmp_path)


def values(value: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full(size, value, np.uint8)


def write(*arguments: object) -> Spoil:
    return lambda maps: maps.write(NAMES[0], *arguments)  # type: ignore[arg-type]


def cut(maps: LabelMaps) -> None:
    path = maps.path(NAMES[0])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(maps: LabelMaps) -> None:
    for path in maps.maps.iterdir():
        path.unlink()


def rename_all(maps: LabelMaps) -> None:
    for number, path in enumerate(sorted(maps.maps.iterdir())):
        path.rename(path.with_name(f"picture{number}.png"))


def twice(maps: LabelMaps) -> None:
    Image.open(maps.path(NAMES[0])).save(maps.maps / f"{NAMES[0]}-labels.png")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (empty, "maps holds no PNG file; a label map is an 8-bit PNG of class ids, grey or with"),
        (rename_all, f"picture0.png is of none); name that of image {NAMES[0]} {NAMES[0]}.png or"),
        (twice, f"{NAMES[0]}.png are both of image {NAMES[0]}; keep one"),
        (cut, f"{NAMES[0]}.png cannot be read as an image ("),
        (lambda maps: maps.path(NAMES[0]).write_bytes(b""), f"{NAMES[0]}.png is empty; a label"),
        (lambda maps: maps.path(NAMES[0]).write_bytes(b"GIF89a"), "is not a PNG file; a label map"),
        (write(values(7), "RGB"), f"{NAMES[0]}.png is in colours, not class ids; a label map is"),
        (write(values(7), "LA"), "is a grey PNG with an alpha channel; a label map is"),
        (write(np.full(SIZE, 7, np.uint16)), "has 16 bits a value; a label map is"),
        (write(np.full(SIZE, True)), "is a grey PNG with 1 bit a value; a label map is"),
        (write(values(7, (16, 20))), "is 20x16, the mask of its image 24x16; make label maps of"),
        (
            write(values(150)),
            f"{NAMES[0]}.png: value 150 (384 pixels) beyond train ids, 0 to 149; if these are the "
            "data set's own ids, 1 to 150, add --ids set",
        ),
        (write(values(151)), "value 151 (384 pixels) beyond train ids, 0 to 149; correct the map"),
        (
            lambda maps: Image.fromarray(values(151)).save(maps.truth / f"{NAMES[0]}.png"),
            "mask value 151 (384 pixels) outside the 150 classes (1 to 150); it is no mask of this",
        ),
    ],
)
def test_wrong_maps_are_told_in_one_line(maps: LabelMaps, spoil: Spoil, said: str) -> None:
    spoil(maps)
    done = maps.score()
    line = refused(done, 3)
    assert said in line
    assert done.out == ""
    assert str(maps.maps) in line or str(maps.truth) in line


def test_values_beyond_the_sets_own_ids_are_refused_too(maps: LabelMaps) -> None:
    maps.write(NAMES[0], values(151))
    line = refused(maps.score("--ids", "set"), 3)
    assert "beyond the data set's own ids, 1 to 150; correct the map (255 stands for no cl" in line


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--predictions M", 2, "needs --dataset NAME, a prepared set, or --annotations FOLDER"),
        ("--predictions M --annotations T", 2, "needs --recipe NAME, the set that says what its"),
        ("--predictions M --annotations F --recipe ade20k", 2, "f.json: is no folder; a folder"),
        ("--predictions F --annotations T", 2, "annotations: is a folder, and --predictions"),
        ("--predictions gone --dataset ade20k", 3, "--predictions gone: no such file or folder"),
        ("--predictions M --dataset gone", 3, "no prepared data set 'gone'"),
        ("--predictions M --annotations T --recipe ade20", 2, "ade20k"),
        ("--predictions M --annotations T --recipe camvid", 2, "masks of camvid mean is not known"),
        ("--predictions M --annotations T --recipe coco", 2, "masks of coco mean is not known"),
        ("--predictions M --annotations M --recipe coco-stuff-10k", 3, "holds no masks of coco-st"),
        ("--predictions M --annotations T --recipe ade20k --split val", 2, "--split: of no use"),
        ("--predictions M --annotations T --dataset ade20k", 2, "--dataset: of no use with --ann"),
        ("--predictions M --dataset ade20k --recipe ade20k", 2, "--recipe: of no use with --data"),
        ("--predictions M --dataset ade20k --size tiny", 2, "--size: of no use with --predictions"),
        ("--predictions M --dataset ade20k --device cpu", 2, "--device: of no use"),
        ("runs/x --predictions M --dataset ade20k", 2, "TARGET: of no use with --predictions"),
        ("--annotations T --recipe ade20k", 2, "annotations: needs --predictions FOLDER, the maps"),
        ("--recipe ade20k", 2, "--recipe ade20k: needs --predictions FOLDER and --annotations"),
        ("--ids set", 2, "--ids: of no use without --predictions FOLDER"),
        ("--predictions F --annotations F --sort iou", 2, "--sort: of no use with --predictions J"),
        ("--predictions F --annotations F --output new", 2, "--output: of no use with --predicti"),
        (
            "--predictions M --annotations T --recipe ade20k --output F", 2,
            "confusion.png cannot be written: ",
        ),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(
    maps: LabelMaps, tmp_path: Path, words: str, code: int, said: str
) -> None:
    file = tmp_path / "f.json"
    file.write_text("[]")
    places = {"M": maps.maps, "T": maps.truth, "F": file}
    line = refused(run_cli("eval", *(places.get(word, word) for word in words.split())), code)
    assert said in line


@pytest.mark.parametrize("words", [("--sort", "iou"), ("--output", "seen")])
def test_a_detector_makes_no_label_maps(boxed: Road, words: tuple[str, str]) -> None:
    line = refused(boxed.run("eval", *words), 2)
    assert f"{words[0]}: of no use with a network for detection, which makes no label maps" in line
