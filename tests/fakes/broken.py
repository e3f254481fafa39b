"""Custom sets made wrong in one way each, as `make_custom` writes them."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.fakes.pictures import COLOURS, noise_image, noise_mask, write_jpeg, write_png
from topformer_cli.data.sources.custom import FolderRequest

Break = Callable[[FolderRequest], None]
SEED = 11
"""Of the masks and images that are written."""


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def image(request: FolderRequest, name: str = "train/train_0001") -> Path:
    return request.images / f"{name}.jpg"


def mask(request: FolderRequest, name: str = "train/train_0001") -> Path:
    return request.masks / f"{name}.png"


def grey_png(path: Path, values: NDArray[np.uint8], bits: int) -> None:
    """Write a grey PNG of 1, 2, 4 or 8 bits a value, which Pillow does for two of them only."""
    height, width = values.shape
    per_byte = 8 // bits
    padded = np.pad(values, ((0, 0), (0, -width % per_byte)))
    packed = np.zeros((height, padded.shape[1] // per_byte), np.uint8)
    for place in range(per_byte):
        packed |= padded[:, place::per_byte] << (8 - bits * (place + 1))
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        data += struct.pack(">I", len(content)) + name + content
        data += struct.pack(">I", zlib.crc32(name + content))
    path.write_bytes(data)


def turned(request: FolderRequest) -> None:
    """An image on its side, whose EXIF tag says so."""
    upright = noise_image(_rng())
    write_jpeg(image(request), np.rot90(upright, 1).copy(), orientation=6)


def wrongly_tagged(request: FolderRequest) -> None:
    """An upright image whose EXIF tag says that it is on its side."""
    write_jpeg(image(request), noise_image(_rng()), orientation=6)


def upside_down(request: FolderRequest) -> None:
    """An image whose EXIF tag may be right or wrong."""
    write_jpeg(image(request), noise_image(_rng()), orientation=3)


def without_mask(request: FolderRequest) -> None:
    mask(request).unlink()


def without_image(request: FolderRequest) -> None:
    image(request).unlink()


def of_one_stem(request: FolderRequest) -> None:
    shutil.copy(image(request), image(request).with_suffix(".jpeg"))


def empty_image(request: FolderRequest) -> None:
    image(request).write_bytes(b"")


def empty_mask(request: FolderRequest) -> None:
    mask(request).write_bytes(b"")


def cut_image(request: FolderRequest) -> None:
    data = image(request).read_bytes()
    image(request).write_bytes(data[: len(data) * 2 // 3])


def cut_mask(request: FolderRequest) -> None:
    write_png(mask(request), _rng().integers(0, 3, (24, 32), dtype=np.uint8))
    mask(request).write_bytes(mask(request).read_bytes()[:150])


def no_image(request: FolderRequest) -> None:
    image(request).write_text("<html>404</html>")


def dangling(request: FolderRequest) -> None:
    image(request).unlink()
    image(request).symlink_to("gone.jpg")


def jpeg_mask(request: FolderRequest) -> None:
    shutil.copy(image(request), mask(request))


def colours(request: FolderRequest) -> None:
    """A mask in the colours of the class file."""
    write_png(mask(request), np.array(COLOURS, np.uint8)[noise_mask(_rng())])


def unknown_colour(request: FolderRequest) -> None:
    pixels = np.array(COLOURS, np.uint8)[noise_mask(_rng())]
    pixels[0, :3] = (9, 8, 7)
    write_png(mask(request), pixels)


def sixteen_bits(request: FolderRequest) -> None:
    Image.fromarray(noise_mask(_rng()).astype(np.uint16)).save(mask(request))


def sixteen_bits_large(request: FolderRequest) -> None:
    values = noise_mask(_rng()).astype(np.uint16)
    values[:2] = 65535
    Image.fromarray(values).save(mask(request))


def one_bit(request: FolderRequest) -> None:
    grey_png(mask(request), noise_mask(_rng()) % 2, 1)


def two_bits(request: FolderRequest) -> None:
    grey_png(mask(request), noise_mask(_rng()), 2)


def four_bits(request: FolderRequest) -> None:
    grey_png(mask(request), noise_mask(_rng()), 4)


def opaque_alpha(request: FolderRequest) -> None:
    Image.fromarray(noise_mask(_rng())).convert("LA").save(mask(request))


def partial_alpha(request: FolderRequest) -> None:
    values = noise_mask(_rng())
    Image.fromarray(np.dstack([values, values * 100])).save(mask(request))


def other_size(request: FolderRequest) -> None:
    write_png(mask(request), noise_mask(_rng(), 24, 31))


def unknown_ids(request: FolderRequest) -> None:
    values = noise_mask(_rng())
    values[0, :5] = 7
    write_png(mask(request), values)


def from_one(request: FolderRequest) -> None:
    """All masks count from 1."""
    for path in sorted(request.masks.rglob("*.png")):
        write_png(path, np.asarray(Image.open(path), np.uint8) + 1)


def one_more(request: FolderRequest) -> None:
    """A class too few in the list: masks use 0 as well as the value after the last class."""
    values = noise_mask(_rng())
    values[0, :5] = 3
    write_png(mask(request), values)


def all_ignored(request: FolderRequest) -> None:
    write_png(mask(request), np.full((24, 32), 255, np.uint8))


def mostly_ignored(request: FolderRequest) -> None:
    for path in sorted((request.masks / "val").glob("*.png")):
        values = np.array(Image.open(path), np.uint8)
        values[:14] = 255
        write_png(path, values)


def absent_class(request: FolderRequest) -> None:
    for path in sorted((request.masks / "val").glob("*.png")):
        write_png(path, np.minimum(np.asarray(Image.open(path), np.uint8), 1))


def in_two_splits(request: FolderRequest) -> None:
    shutil.copy(image(request), image(request, "val/val_0001"))


def saved_again(request: FolderRequest) -> None:
    """A validation image that is a smaller training image, saved in another quality."""
    with Image.open(image(request)) as opened:
        opened.resize((40, 30)).save(image(request, "val/val_0001"), quality=70)
    write_png(mask(request, "val/val_0001"), noise_mask(_rng(), 30, 40))


def twice(request: FolderRequest) -> None:
    shutil.copy(image(request), image(request, "train/train_0003"))
