"""What differs between published data sets, as plain values.

Frozen records without numpy or torch, so that the command line and recipes can read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

IGNORE: Final = 255
"""The train id of a pixel that counts neither in the loss nor in the metric."""

SPLITS: Final = ("train", "val")

Task = Literal["segmentation", "detection", "classification"]
"""What the labels of a set are: masks, boxes, or one class an image."""

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A file that a set is made from, and where it is published.

    urls are tried in order; none means that only the user can get it (registration). size and
    unpacked are bytes, unpacked an upper bound that unpacking never passes; about is the size as
    its publisher rounds it, where nobody says more, for display only. checksums holds
    hexadecimal digests by hashlib's name, or as many of their first digits as are published; empty
    where nobody published one. folder is where it is
    unpacked, below the set's own folder; an archive that is not to be unpacked is linked there.
    replaces names the archive of the set that is not needed beside this one.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    unpacked: int
    checksums: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    unpack: bool = True
    about: int | None = None
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Coding:
    """What the values of 8-bit masks mean.

    id_map has the train id of each of the 256 values, IGNORE where the pixel does not count.
    ignored are the values that are meant to be ignored: any other value without a train id is an
    error in the data.
    """

    id_map: tuple[int, ...]
    ignored: tuple[int, ...] = (IGNORE,)


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The folders of one split, relative to the set's root.

    ids is a text file with the split's stems, one a line; without it every image belongs.
    """

    images: str
    masks: str
    ids: str | None = None


@dataclass(frozen=True, slots=True)
class MatMask:
    """A MATLAB file that holds a mask: the variable's name, and its values as 8-bit ones.

    values[v] is the 8-bit value that is stored for v; values outside it are an error in the data.
    """

    variable: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLayout:
    """Images and masks in folders; a mask's name is its image's stem and mask_suffix.

    mat is set where masks are MATLAB files. counts are the images a split that this form of the
    set is published with, where they differ from the set's.
    """

    splits: Mapping[str, SplitFiles]
    coding: Coding
    mask_suffix: str = ".png"
    mat: MatMask | None = None
    counts: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailLayout:
    """PASCAL in Detail: one JSON of run-length masks over a VOC tree (zhanghang1989/detail-api).

    values[v] is the 8-bit value that is stored for category v of the JSON.
    """

    images: str
    annotations: str
    values: tuple[int, ...]
    coding: Coding
    counts: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxLayout:
    """A COCO tree: folders of images by split, and JSON files of boxes (cocodataset.org)."""

    images: Mapping[str, str]
    annotations: Mapping[str, str]
    counts: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IlsvrcLayout:
    """The tars of ILSVRC 2012: one tar a class inside the training tar, and a development kit."""

    train: str
    val: str
    devkit: str
    counts: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolderLayout:
    """Folders by split that hold one folder of images a class, named by the class's code."""

    splits: Mapping[str, str]
    counts: Mapping[str, int] | None = None


Layout = PairLayout | DetailLayout | BoxLayout | IlsvrcLayout | ClassFolderLayout


@dataclass(frozen=True, slots=True)
class Impostor:
    """What people take for the set: a glob pattern that gives it away, and what it is."""

    pattern: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A published data set.

    palette has a colour a class. codes are the classes' names in the set's own files: COCO's
    category ids, ImageNet's WordNet ids; empty where masks carry the numbers. counts are the
    published numbers of images a split. layouts are the forms in which people have it on disk,
    tried in order, and layouts[fetched] is the one that archives make and messages describe;
    folder is the name that its archive unpacks to. also names archives that are used when the user
    has them, in place of the layout that archives make.
    """

    name: str
    title: str
    task: Task = "segmentation"
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    codes: tuple[str, ...] = ()
    counts: Mapping[str, int]
    terms: str
    homepage: str
    folder: str
    layouts: tuple[Layout, ...]
    fetched: int = 0
    impostors: tuple[Impostor, ...] = ()
    archives: tuple[Archive, ...] = ()
    also: tuple[Archive, ...] = ()


def identity_map(classes: int) -> tuple[int, ...]:
    """Return the id map of masks that hold train ids: 0..classes-1 stay, all else is ignored."""
    return tuple(value if value < classes else IGNORE for value in range(256))


def shifted_map(classes: int) -> tuple[int, ...]:
    """Return the id map of masks in which 0 is no class and 1..classes are the classes."""
    return (IGNORE, *range(classes), *[IGNORE] * (255 - classes))


def generated_colour(index: int) -> Colour:
    """Return a colour for a class that has none, by the bit rule of PASCAL VOC's colour map.

    The rule's first colour, black, is skipped.
    """
    red = green = blue = 0
    code = index + 1
    for shift in range(7, -1, -1):
        red |= (code & 1) << shift
        green |= (code >> 1 & 1) << shift
        blue |= (code >> 2 & 1) << shift
        code >>= 3
    return red, green, blue
