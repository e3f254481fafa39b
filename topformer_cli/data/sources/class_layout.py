"""Where the folders of classes lie in a folder that somebody named, and what it may be instead.

FOLDER/rose/*.jpg  FOLDER/tulip/*.jpg                        not divided
FOLDER/train/rose/*.jpg ...  FOLDER/val/rose/*.jpg ...       divided

A folder says nothing of itself, so whatever looks like another kind of set is refused.
"""

from pathlib import Path
from typing import Final

from topformer_cli.data.sources.pairs import IMAGE_SUFFIXES
from topformer_cli.data.spec import SPLITS
from topformer_cli.errors import DataError

_PARTS: Final = frozenset(
    {*SPLITS, "training", "valid", "validation", "test", "testing", "dev", "eval"}
)
"""What people call the parts of a set, but for a number as in train2017."""

_NUMBERS: Final = "0123456789-_ "

_IMAGES: Final = frozenset({"image", "images", "img", "imgs", "jpegimages"})
_LABELS: Final = frozenset(
    {"annotation", "annotations", "gt", "label", "labels", "mask", "masks", "segmentationclass"}
)
"""What people call the folders of a set of masks or boxes."""


def class_parts(images: Path) -> dict[str, Path]:
    """Return the folders that hold the folders of classes, by split; all in train if undivided.

    Raises:
        DataError: the folder cannot be read, or is laid out otherwise; says what may be meant.
    """
    names = {path.name for path in subfolders(images)}
    if names.issuperset(SPLITS):
        parts = {split: images / split for split in SPLITS}
    else:
        _require_no_parts(images, names)
        parts = {"train": images}
    for folder in parts.values():
        _require_class_folders(folder)
    return parts


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in one, hidden ones left out, sorted by name.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    except OSError as error:
        message = f"--images {folder}: cannot be read ({error.strerror}); name a folder of pictures"
        raise DataError(message) from error
    return sorted(found)


def pictures_beside(folder: Path) -> list[str]:
    """Return the names of the pictures in a folder itself, sorted."""
    return sorted(
        path.name for path in folder.iterdir() if is_picture(path.name) and not path.is_dir()
    )


def is_picture(name: str) -> bool:
    """Say by its name whether a file is a picture; hidden files are no data."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def _require_no_parts(images: Path, names: set[str]) -> None:
    """Refuse parts under other names; one folder `train` of pictures may be a class of vehicles."""
    parts = sorted(name for name in names if name.casefold().rstrip(_NUMBERS) in _PARTS)
    if not parts or (len(parts) == 1 and not subfolders(images / parts[0])):
        return
    message = (
        f"--images {images} holds {' and '.join(parts)}: the parts of a set are called train and "
        f"val; rename them, or divide one of them: --images {images / parts[0]} --val-fraction 0.2"
    )
    raise DataError(message)


def _require_class_folders(folder: Path) -> None:
    """Refuse what is no set of classes, or one that is laid out the other way round."""
    classes = subfolders(folder)
    if not classes:
        message = f"--images {folder} holds no pictures, nor folders of them; name one that does"
        if pictures_beside(folder):
            message = (
                f"--images {folder} holds pictures and no folders, so nothing says what is on "
                "them; put them in a folder a class, as in rose/1.jpg, or give --masks and "
                "--classes, or --coco"
            )
        raise DataError(message)
    names = {path.name.casefold(): path.name for path in classes}
    if (shown := names.keys() & _IMAGES) and (labels := names.keys() & _LABELS):
        pictures, masks = names[min(shown)], names[min(labels)]
        message = (
            f"--images {folder} holds {pictures} and {masks}, which are no classes; masks take "
            f"--images {folder / pictures} --masks {folder / masks} --classes FILE, boxes --coco "
            "JSON"
        )
        raise DataError(message)
    for one in classes:
        if {path.name for path in subfolders(one)}.issuperset(SPLITS):
            message = (
                f"{one} holds train and val; put the parts above the classes: train/{one.name}, "
                f"val/{one.name}"
            )
            raise DataError(message)
