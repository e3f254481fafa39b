"""The scores that the paper and the authors print, each with the run that it belongs to.

Source: paper Tables 1, 9, 10 and 11 and footnote 3; README of hustvl/TopFormer (2x8 and 4x8: images
of a GPU x GPUs); ImageNet top-1 of tiny and small by the names of the authors' files. That Table 11
took its rows of other backbones from Mobile-Former, its authors say in hustvl/TopFormer, issue 11.
"""

from dataclasses import dataclass
from typing import Final, Literal

Origin = Literal["paper", "README", "file names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed score, in percent, on the validation split at a single scale.

    recipe, preset and batch resolve to the settings that it was reached with; recipe is None where
    no recipe here is the authors'. key is the headline's. norm_images share their batch statistics
    in training. side: of the training crop, in pixels. All began with ImageNet weights, but for the
    scores of those weights themselves. size is another backbone's name where that is not TopFormer;
    copied_from is the paper that this one took the score from.
    """

    origin: Origin
    place: str
    task: str = "segmentation"
    dataset: str
    split: str = "val"
    size: str
    key: str = "miou"
    value: float
    recipe: str | None
    preset: str = "code"
    batch: int = 16
    norm_images: int = 16
    side: int = 512
    copied_from: str = ""

    @property
    def source(self) -> str:
        """Where it is printed, as in `paper Table 1` or `README 2x8`."""
        return f"{self.origin} {self.place}".strip()

    @property
    def from_imagenet(self) -> bool:
        """Whether it was trained from ImageNet weights."""
        return self.task != "classification"


def _table_1(size: str, value: float, side: int = 512) -> Published:
    recipe, at = ("ade20k", "") if side == 512 else (f"ade20k-{side}", f" at {side}")
    return Published(
        origin="paper", place=f"Table 1{at}", dataset="ade20k", size=size, value=value,
        recipe=recipe, preset="paper", side=side,
    )  # fmt: skip


def _readme(size: str, value: float, batch: int = 16, recipe: str = "ade20k") -> Published:
    side, at = (448, " at 448") if recipe == "ade20k-448" else (512, "")
    return Published(
        origin="README", place=f"{batch // 8}x8{at}", dataset="ade20k", size=size, value=value,
        recipe=recipe, batch=batch, norm_images=batch, side=side,
    )  # fmt: skip


def _other(table: int, dataset: str, size: str, value: float) -> Published:
    return Published(
        origin="paper", place=f"Table {table}", dataset=dataset, size=size, value=value,
        recipe=dataset, preset="paper", side=480 if table == 9 else 512,
    )  # fmt: skip


def _boxes(size: str, value: float, copied_from: str = "") -> Published:
    return Published(
        origin="paper", place="Table 11", task="detection", dataset="coco", size=size, key="ap",
        value=value, recipe=None if copied_from else "coco-retinanet", norm_images=2, side=1333,
        copied_from=copied_from,
    )  # fmt: skip


def _imagenet(size: str, value: float, origin: Origin, place: str = "") -> Published:
    return Published(
        origin=origin, place=place, task="classification", dataset="imagenet", size=size,
        key="top1", value=value, recipe=None, batch=1024, norm_images=128, side=224,
    )  # fmt: skip


PUBLISHED: Final = (
    _table_1("tiny", 32.5, 448),
    _table_1("tiny", 32.8),
    _table_1("small", 36.1),
    _table_1("base", 37.8),
    _readme("tiny", 32.5, recipe="ade20k-448"),
    _readme("tiny", 33.4, 32, "ade20k-448"),
    _readme("tiny", 33.6),
    _readme("tiny", 34.6, 32, "ade20k-batch32"),
    _readme("small", 36.5),
    _readme("small", 37.0, 32, "ade20k-batch32"),
    _readme("base", 38.3),
    _readme("base", 39.2, 32, "ade20k-batch32"),
    _other(9, "pascal-context", "tiny", 36.41),
    _other(9, "pascal-context", "small", 39.06),
    _other(9, "pascal-context", "base", 41.01),
    _other(9, "pascal-context-59", "tiny", 40.39),
    _other(9, "pascal-context-59", "small", 43.68),
    _other(9, "pascal-context-59", "base", 45.28),
    _other(10, "coco-stuff-10k", "tiny", 28.34),
    _other(10, "coco-stuff-10k", "small", 30.83),
    _other(10, "coco-stuff-10k", "base", 33.43),
    _boxes("tiny", 27.1),
    _boxes("small", 30.4),
    _boxes("base", 31.6),
    _boxes("shufflenetv2", 25.9, "Mobile-Former"),
    _boxes("mobilenetv3", 27.2, "Mobile-Former"),
    _imagenet("tiny", 66.2, "file names"),
    _imagenet("small", 72.3, "file names"),
    _imagenet("base", 75.3, "paper", "footnote 3"),
)


def published(task: str, dataset: str, size: str) -> tuple[Published, ...]:
    """Return what is printed for a size on a set, in the order of the table."""
    wanted = (task, dataset, size)
    return tuple(one for one in PUBLISHED if (one.task, one.dataset, one.size) == wanted)
