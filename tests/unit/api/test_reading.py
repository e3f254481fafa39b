"""Pictures of every kind come as RGB, upright, with what they show."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.api import reading
from topformer_cli.api.reading import read_image
from topformer_cli.errors import DataError

SHAPE = (40, 60)


@pytest.fixture
def colours() -> NDArray[np.uint8]:
    """Smooth colours, each channel with its own."""
    coarse = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, SHAPE[::-1]), np.uint8)


@pytest.fixture(autouse=True)
def narrow_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BAND", 7 * SHAPE[1])


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.webp"])
def test_colours_come_as_they_are(tmp_path: Path, colours: NDArray[np.uint8], name: str) -> None:
    options = {"lossless": True} if name == "x.webp" else {}
    read = read_image(saved(tmp_path / name, Image.fromarray(colours), **options))
    assert np.array_equal(read, colours)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_scaled_not_cut_off(tmp_path: Path, name: str, channels: int) -> None:
    steps = np.linspace(0, 65535, 40 * 60).reshape(SHAPE).round().astype(np.uint16)
    values = steps if channels == 1 else np.dstack([steps, steps[::-1], steps[:, ::-1]])
    cv2.imwrite(str(tmp_path / name), values)
    read = read_image(tmp_path / name)
    rgb = np.repeat(values[..., None], 3, 2) if channels == 1 else values[..., ::-1]
    assert np.abs(read - rgb / 257).max() <= 1
    assert (read.min(), read.max()) == (0, 255)


def test_what_is_transparent_lies_on_white(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    cover = np.zeros(SHAPE, np.uint8)
    cover[:, 20:40], cover[:, 40:] = 128, 255
    rgba = Image.fromarray(np.dstack([colours, cover]))
    read = read_image(saved(tmp_path / "x.png", rgba))
    assert (read[:, :20] == 255).all()
    assert np.array_equal(read[:, 40:], colours[:, 40:])
    half = (colours[:, 20:40].astype(float) * 128 + 255.0 * 127) / 255
    assert np.abs(read[:, 20:40] - half).max() <= 1
    grey = read_image(saved(tmp_path / "grey.png", rgba.convert("LA")))
    assert (grey[:, :20] == 255).all()
    assert (grey[..., 0] == grey[..., 2]).all()


def test_palettes_may_have_transparent_colours(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    few = Image.fromarray(colours).quantize(8)
    read = read_image(saved(tmp_path / "plain.png", few))
    assert np.array_equal(read, np.asarray(few.convert("RGB")))
    clear = read_image(saved(tmp_path / "clear.png", few, transparency=bytes([0, 0, 0, 0])))
    gone = np.asarray(few) < 4
    assert 0 < gone.mean() < 1
    assert (clear[gone] == 255).all()
    assert np.array_equal(clear[~gone], read[~gone])


@pytest.mark.parametrize("mode", ["L", "1", "CMYK"])
def test_other_modes_keep_what_they_show(
    tmp_path: Path, colours: NDArray[np.uint8], mode: str
) -> None:
    image = Image.fromarray(colours).convert(mode)
    name = "x.jpg" if mode == "CMYK" else "x.png"
    options = {"quality": 95} if mode == "CMYK" else {}
    read = read_image(saved(tmp_path / name, image, **options))
    assert apart(read, np.asarray(image.convert("RGB"))) <= (24 if mode == "CMYK" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(
    tmp_path: Path, colours: NDArray[np.uint8], orientation: int
) -> None:
    turned: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1], 5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, 1), 7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        8: lambda x: np.rot90(x, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turned[orientation](colours)))
    assert np.array_equal(read_image(saved(tmp_path / "x.png", stored, exif=exif)), colours)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "x.webp", "x.bmp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    path = saved(tmp_path / name, Image.fromarray(noise))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"{name} is not a readable image \(.+\)"):
        read_image(path)


def test_values_without_a_range_are_refused(tmp_path: Path) -> None:
    for kind, said in ((np.float32, "fractions"), (np.int32, "32 bits")):
        values = np.linspace(0, 1e6, 40 * 60, dtype=kind).reshape(SHAPE)
        path = saved(tmp_path / "x.tif", Image.fromarray(values))
        with pytest.raises(DataError, match=said):
            read_image(path)


def test_large_photos_are_taken_and_bombs_are_not(
    tmp_path: Path, colours: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "x.png", Image.fromarray(colours))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # above it Pillow warns
    assert np.array_equal(read_image(path), colours)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(reading, "LARGEST", SHAPE[0] * SHAPE[1] - 1)
    with pytest.raises(DataError, match=r"x.png has 60x40 pixels; up to .* so make it smaller"):
        read_image(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image .*gone.jpg"):
        read_image(tmp_path / "gone.jpg")


def test_stdin_is_read_as_bytes(
    colours: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    buffer.seek(0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(buffer))
    assert np.array_equal(read_image(reading.STDIO), colours)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(DataError, match=r"picture on stdin is not a readable image \(empty"):
        read_image(reading.STDIO)
