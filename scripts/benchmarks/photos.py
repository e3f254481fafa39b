"""Photo-like pictures with masks, as large as ADE20K's, or with boxes, as large as COCO's.

    python scripts/benchmarks/photos.py FOLDER COUNT [boxes]

Smooth fields cut a picture into regions of a class each, which get a colour, shading and grain;
a picture has about 12 classes, and the largest covers 0.37 of it. A few large scenes are made; each
picture is a piece of one, so that thousands take seconds.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SCENES = 24
SCENE_SIZE = (1300, 1700)
CLASSES = 150
BOX_CLASSES, BOXES, SMALLEST = 80, 15, 16
BOX_PICTURE = (480, 640)
"""Of pictures with boxes: classes, most boxes, least side of a box, and the usual size."""

Pixels = NDArray[np.uint8]


def fractal(
    rng: np.random.Generator, size: tuple[int, int], falloff: float, coarsest: int = 0
) -> NDArray[np.float32]:
    """Return noise [height, width] whose octaves weaken by 2 ** -falloff from the coarsest on."""
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(coarsest, int(np.log2(max(size))) + 1):
        cells = 2**octave
        rows = min(height, cells * height // max(size) + 2)
        columns = min(width, cells * width // max(size) + 2)
        grid = rng.standard_normal((rows, columns)).astype(np.float32)
        fine = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        total += np.asarray(fine, np.float32) * (cells / 2**coarsest) ** -falloff
    return total


def scene(rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Return a large picture [height, width, 3] RGB and its class ids [height, width]."""
    drawn = np.minimum(CLASSES - 1, rng.exponential(35, size=20).astype(int))
    classes = np.unique(drawn).astype(np.uint8)
    fields = np.stack(
        [fractal(rng, SCENE_SIZE, 1.2, 2) + rng.standard_normal() * 0.5 for _ in classes]
    )
    regions = fields.argmax(0)
    grain = fractal(rng, SCENE_SIZE, 0.85)
    colours = rng.uniform(30, 220, (len(classes), 3)).astype(np.float32)
    strength = rng.choice([2.0, 6, 12, 22], len(classes)).astype(np.float32)
    pixels = colours[regions] + (grain * strength[regions])[..., None]
    pixels += (fractal(rng, SCENE_SIZE, 1.3) * 28)[..., None]
    pixels += rng.standard_normal((*SCENE_SIZE, 1)).astype(np.float32) * 3
    soft = cv2.GaussianBlur(pixels, (0, 0), 0.6)
    return np.clip(soft, 0, 255).astype(np.uint8), classes[regions]


def picture_size(rng: np.random.Generator) -> tuple[int, int]:
    """Return a height and width as ADE20K has them: 0.37 million pixels on average."""
    kind = rng.random()
    if kind < 0.7:
        return (512, 683) if rng.random() < 0.75 else (683, 512)
    if kind < 0.95:
        return int(rng.integers(300, 700)), int(rng.integers(400, 900))
    return int(rng.integers(800, 1200)), int(rng.integers(1100, 1600))


def pictures(count: int, seed: int = 0) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield pictures and their class ids."""
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in range(min(count, SCENES))]
    for _ in range(count):
        pixels, ids = scenes[rng.integers(len(scenes))]
        height, width = picture_size(rng)
        top = int(rng.integers(SCENE_SIZE[0] - height + 1))
        left = int(rng.integers(SCENE_SIZE[1] - width + 1))
        place = np.s_[top : top + height, left : left + width]
        yield pixels[place], ids[place]


def jpeg(pixels: Pixels) -> bytes:
    """Encode a picture as a camera does: 4:2:0, quality 95."""
    data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95]
    )[1]
    return bytes(data.tobytes())


def png(ids: Pixels) -> bytes:
    """Encode class ids."""
    return bytes(cv2.imencode(".png", ids)[1].tobytes())


def write_tree(folder: Path, count: int, seed: int = 0) -> None:
    """Write images, masks and a class list as a custom set has them; a tenth is for validation."""
    held = max(count // 10, 1)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
    for number, (pixels, ids) in enumerate(pictures(count, seed)):
        split = "val" if number < held else "train"
        (folder / "images" / split / f"{number:06d}.jpg").write_bytes(jpeg(pixels))
        (folder / "masks" / split / f"{number:06d}.png").write_bytes(png(ids))
    names = "\n".join(f"class {number}" for number in range(CLASSES))
    (folder / "classes.txt").write_text(names + "\n")


def boxes(ids: Pixels) -> list[tuple[list[int], int]]:
    """Return (left, top, width, height) and class of the largest regions of a class."""
    found = []
    for value in np.unique(ids):
        _, _, regions, _ = cv2.connectedComponentsWithStats((ids == value).astype(np.uint8))
        found += [(int(area), box, int(value)) for *box, area in regions[1:].tolist()]
    found = sorted((one for one in found if min(one[1][2:]) >= SMALLEST), reverse=True)
    return [(box, value % BOX_CLASSES) for _, box, value in found[:BOXES]]


def write_boxes(folder: Path, count: int, seed: int = 0) -> None:
    """Write images and COCO's JSON of each split; some are upright, a tenth is for validation."""
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in range(min(count, SCENES))]
    held = max(count // 10, 1)
    names = [{"id": number, "name": f"class {number}"} for number in range(BOX_CLASSES)]
    records: dict[str, dict[str, list[object]]] = {
        split: {"images": [], "annotations": [], "categories": [*names]}
        for split in ("train", "val")
    }
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        pixels, ids = scenes[rng.integers(len(scenes))]
        height, width = BOX_PICTURE if rng.random() < 0.75 else BOX_PICTURE[::-1]
        top = int(rng.integers(SCENE_SIZE[0] - height + 1))
        left = int(rng.integers(SCENE_SIZE[1] - width + 1))
        place = np.s_[top : top + height, left : left + width]
        name = f"{number:06d}.jpg"
        (folder / "images" / name).write_bytes(jpeg(pixels[place]))
        record = records["val" if number < held else "train"]
        image = {"id": number, "file_name": name, "height": height, "width": width}
        record["images"].append(image)
        record["annotations"] += [
            {"id": 100 * number + place, "image_id": number, "category_id": value, "bbox": box}
            for place, (box, value) in enumerate(boxes(ids[place]))
        ]
    for split, record in records.items():
        (folder / f"{split}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    write = write_boxes if sys.argv[3:] == ["boxes"] else write_tree
    write(Path(sys.argv[1]), int(sys.argv[2]))
