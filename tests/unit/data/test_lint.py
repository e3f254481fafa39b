"""Each thing that can be wrong with a pair is named with its file and a remedy."""

import contextlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.fakes.pictures import COLOURS, noise_image, noise_mask, write_jpeg, write_png
from topformer_cli.data.decode import decode_ids, decode_image, encode_png
from topformer_cli.data.findings import Finding, LintError, refuse_all
from topformer_cli.data.forms.row import Row
from topformer_cli.data.forms.segmentation import Segmentation
from topformer_cli.data.labels import Labels, custom_labels, read_classes
from topformer_cli.data.lint import mask_ids, read_image, value_counts
from topformer_cli.data.sources.source import Blob, Item, Reading
from topformer_cli.errors import DataError

RNG = np.random.default_rng(5)
PLAIN = custom_labels(read_classes("sky,road,car"), ())


@dataclass(frozen=True)
class Pair:
    id: str
    image: Path
    mask: Path


def read_row(pair: Pair, labels: Labels, *, lenient: bool) -> Row:
    item = Item(pair.id, Blob(pair.image), Blob(pair.mask))
    return Segmentation().read_row(
        item, Reading(task="segmentation", labels=labels, lenient=lenient)
    )


def stored_mask(row: Row) -> bytes:
    return bytes(row.columns["mask"]["bytes"])


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = Pair("one", tmp_path / "one.jpg", tmp_path / "one.png")
    write_jpeg(pair.image, noise_image(RNG))
    write_png(pair.mask, noise_mask(RNG))
    return pair


def coloured(tmp_path: Path) -> Labels:
    path = tmp_path / "classes.txt"
    lines = [f"{name},{r},{g},{b}\n" for name, (r, g, b) in zip("abc", COLOURS, strict=True)]
    path.write_text("".join(lines))
    return custom_labels(read_classes(str(path)), ())


def _rgb_mask(pair: Pair) -> None:
    Image.fromarray(noise_mask(RNG)).convert("RGB").save(pair.mask)


def _sixteen_bits(pair: Pair) -> None:
    Image.fromarray(noise_mask(RNG).astype(np.uint16)).save(pair.mask)


def _one_bit(pair: Pair) -> None:
    Image.fromarray(noise_mask(RNG) > 0).save(pair.mask)


def _grey_alpha(pair: Pair) -> None:
    Image.fromarray(noise_mask(RNG)).convert("LA").save(pair.mask)


def _out_of_range(pair: Pair) -> None:
    mask = noise_mask(RNG)
    mask[0, :5] = 7
    write_png(pair.mask, mask)


def _other_size(pair: Pair) -> None:
    write_png(pair.mask, noise_mask(RNG, 24, 31))


def _truncated_jpeg(pair: Pair) -> None:
    data = pair.image.read_bytes()
    pair.image.write_bytes(data[: len(data) // 2])


def _truncated_mask(pair: Pair) -> None:
    write_png(pair.mask, RNG.integers(0, 3, (24, 32), dtype=np.uint8))
    pair.mask.write_bytes(pair.mask.read_bytes()[:90])


def _truncated_png(pair: Pair) -> None:
    write_png(pair.image, noise_image(RNG))
    pair.image.write_bytes(pair.image.read_bytes()[:200])


def _jpeg_mask(pair: Pair) -> None:
    pair.mask.write_bytes(pair.image.read_bytes())


@pytest.mark.parametrize(
    ("damage", "file", "expected"),
    [
        (_rgb_mask, "one.png", "colour"),
        (_sixteen_bits, "one.png", "16 bits"),
        (_one_bit, "one.png", "1 bit a value; save it as an 8-bit PNG"),
        (_grey_alpha, "one.png", "alpha"),
        (_out_of_range, "one.png", "value 7 (5 pixels) outside the 3 classes (0 to 2)"),
        (_other_size, "one.jpg", "32x24 and its mask 31x24"),
        (_truncated_jpeg, "one.jpg", "cannot be read"),
        (_truncated_png, "one.jpg", "cannot be read"),
        (_truncated_mask, "one.png", "cannot be read"),
        (_jpeg_mask, "one.png", "not a PNG"),
        (lambda pair: pair.image.write_bytes(b""), "one.jpg", "is empty"),
        (lambda pair: pair.mask.write_bytes(b""), "one.png", "is empty"),
        (lambda pair: pair.image.write_bytes(b"hello"), "one.jpg", "cannot be read"),
    ],
)
def test_names_file_and_fault(
    pair: Pair, damage: Callable[[Pair], None], file: str, expected: str
) -> None:
    damage(pair)
    with pytest.raises(DataError) as caught:
        read_row(pair, PLAIN, lenient=False)
    message = str(caught.value)
    assert str(pair.image.parent / file) in message
    assert expected in message
    assert "\n" not in message


def test_keeps_the_bytes_of_sound_files(pair: Pair) -> None:
    row = read_row(pair, PLAIN, lenient=False)
    assert row.picture.data == pair.image.read_bytes()
    assert stored_mask(row) == pair.mask.read_bytes()
    assert (row.picture.height, row.picture.width) == (24, 32)
    assert row.counts.sum() == 24 * 32


def test_keeps_palette_masks_as_indices(pair: Pair) -> None:
    mask = noise_mask(RNG)
    palette = Image.fromarray(mask, mode=None).convert("P")
    palette.putdata(mask.ravel().tolist())
    palette.putpalette([value for colour in COLOURS for value in colour])
    palette.save(pair.mask)
    row = read_row(pair, PLAIN, lenient=False)
    assert stored_mask(row) == pair.mask.read_bytes()
    assert np.array_equal(decode_ids(stored_mask(row)), mask)


def test_turns_colour_masks_into_ids(pair: Pair, tmp_path: Path) -> None:
    mask = noise_mask(RNG)
    write_png(pair.mask, np.array(COLOURS, np.uint8)[mask])
    row = read_row(pair, coloured(tmp_path), lenient=False)
    assert np.array_equal(decode_ids(stored_mask(row)), mask)


def test_names_a_colour_without_a_class(pair: Pair, tmp_path: Path) -> None:
    pixels = np.array(COLOURS, np.uint8)[noise_mask(RNG)]
    pixels[0, :3] = (9, 8, 7)
    write_png(pair.mask, pixels)
    with pytest.raises(DataError, match=r"colour 9,8,7 \(3 pixels, 1 such colours\)"):
        read_row(pair, coloured(tmp_path), lenient=False)


def test_an_exif_turn_that_only_fits_the_mask_is_applied(pair: Pair) -> None:
    upright = noise_image(RNG, 32, 24)
    write_jpeg(pair.image, np.rot90(upright, 1).copy(), orientation=6)
    write_png(pair.mask, noise_mask(RNG, 32, 24))
    row = read_row(pair, PLAIN, lenient=False)
    pixels = decode_image(row.picture.data)
    assert row.picture.name == "one.png"
    assert np.abs(pixels.astype(int) - upright).mean() < 6


def test_an_exif_turn_that_the_mask_contradicts_is_ignored(pair: Pair) -> None:
    upright = noise_image(RNG)
    write_jpeg(pair.image, upright, orientation=6)
    row = read_row(pair, PLAIN, lenient=False)
    assert np.array_equal(decode_image(row.picture.data), decode_image(pair.image.read_bytes()))
    assert np.abs(decode_image(row.picture.data).astype(int) - upright).mean() < 6


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_an_exif_turn_that_fits_both_ways_is_refused_unless_lenient(
    pair: Pair, orientation: int
) -> None:
    write_jpeg(pair.image, noise_image(RNG), orientation=orientation)
    with pytest.raises(DataError, match=f"EXIF orientation {orientation}"):
        read_row(pair, PLAIN, lenient=False)
    kept = read_row(pair, PLAIN, lenient=True).picture.data
    assert np.array_equal(decode_image(kept), decode_image(pair.image.read_bytes()))
    with Image.open(io.BytesIO(kept)) as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert np.array_equal(ImageOps.exif_transpose(image), image)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_no_stored_image_says_that_it_is_turned(pair: Pair, suffix: str) -> None:
    """`datasets` would turn it, and leave its mask as it is."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = pair.image.with_suffix(f".turned{suffix}")
    Image.fromarray(noise_image(RNG)).save(path, exif=exif)
    row = read_row(Pair("one", path, pair.mask), PLAIN, lenient=False)
    assert row.picture.name == path.name
    assert np.array_equal(decode_image(row.picture.data), decode_image(path.read_bytes()))
    with Image.open(io.BytesIO(row.picture.data)) as image:
        assert image.getexif().get(0x0112, 1) == 1


def test_other_image_formats_become_png(pair: Pair, tmp_path: Path) -> None:
    pixels = noise_image(RNG)
    bitmap = tmp_path / "one.bmp"
    Image.fromarray(pixels).save(bitmap)
    row = read_row(Pair("one", bitmap, pair.mask), PLAIN, lenient=False)
    assert row.picture.name == "one.png"
    assert np.array_equal(decode_image(row.picture.data), pixels)


def test_shows_twenty_problems_and_counts_the_rest() -> None:
    with pytest.raises(DataError) as caught:
        refuse_all([f"file {number}" for number in range(33)])
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("33 problems")
    assert len(lines) == 22
    assert lines[-1].strip() == "and 13 more"
    refuse_all([])


def encoded(pixels: NDArray[np.uint8], kind: str, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=90, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_cut_at_any_place_is_refused_by_name(kind: str) -> None:
    data = encoded(noise_image(RNG), kind, orientation=6)
    whole = read_image(data, "one")
    assert (whole.height, whole.width, whole.orientation) == (24, 32, 6)
    # A PNG ends with checksums and an empty chunk, without which all its pixels are there.
    for length in range(len(data) - (24 if kind == "PNG" else 1)):
        with pytest.raises(LintError, match=r"one (is empty|cannot be read as an image)"):
            read_image(data[:length], "one")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(given_data: st.DataObject) -> None:
    kind = given_data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP"]))
    data = bytearray(encoded(noise_image(np.random.default_rng(3)), kind, orientation=3))
    for _ in range(given_data.draw(st.integers(1, 4))):
        data[given_data.draw(st.integers(0, len(data) - 1))] = given_data.draw(st.integers(0, 255))
    with contextlib.suppress(LintError):
        facts = read_image(bytes(data), "one")
        assert 1 <= facts.orientation <= 8
        assert facts.small.size


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_mask_is_read_or_refused(given_data: st.DataObject) -> None:
    data = bytearray(encode_png(noise_mask(np.random.default_rng(3))))
    for _ in range(given_data.draw(st.integers(1, 4))):
        data[given_data.draw(st.integers(0, len(data) - 1))] = given_data.draw(st.integers(0, 255))
    with contextlib.suppress(LintError):
        ids, _ = mask_ids(bytes(data), PLAIN, "one")
        assert ids.ndim == 2


@pytest.mark.parametrize("shape", [(24, 32), (4096, 4097)])
def test_values_are_counted_exactly(shape: tuple[int, int]) -> None:
    ids = np.zeros(shape, np.uint8)
    ids[0, :7] = 255
    ids[1, :3] = 9
    counts = value_counts(ids)
    assert (counts[0], counts[9], counts[255]) == (ids.size - 10, 3, 7)
    assert counts.sum() == ids.size


def test_an_error_of_the_lint_survives_a_process_boundary() -> None:
    error = LintError(Finding("empty", "one.jpg", "is empty", "replace it"))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.finding) == ("one.jpg is empty; replace it", error.finding)
