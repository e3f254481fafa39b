"""Weights that others have published, as one table: plain records, no torch.

PaddleSeg's scores and addresses: PaddlePaddle/PaddleSeg, configs/topformer/README.md. The authors':
hustvl/TopFormer, README.md; they lie on drives that only a browser gets them from, and nobody
published a checksum of any of these files.
"""

from dataclasses import dataclass
from typing import Final, Literal

from topformer_cli.models.spec import SizeName, Task

Publisher = Literal["authors", "PaddleSeg"]
LICENCE: Final = "Apache-2.0"
"""Of both code bases; neither says anything of its own about the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """One published file.

    side: pixels of the square crops that it was trained on. score: mIoU, single scale, or top-1
    accuracy, in percent, as its publisher gives it. url is the file itself, empty where there is
    only page, where people get it. title is what its publisher calls it.
    """

    name: str
    publisher: Publisher
    task: Task
    size: SizeName
    side: int
    dataset: str
    score: float
    title: str
    page: str
    url: str = ""
    suffix: str = ".pth"
    licence: str = LICENCE

    @property
    def archive(self) -> str:
        """What the file is called among downloads."""
        return f"{self.name}{self.suffix}"

    @property
    def figure(self) -> str:
        """The score with its unit and as many digits as its publisher gives."""
        digits = 2 if self.publisher == "PaddleSeg" else 1
        return f"{self.score:.{digits}f} {'top-1' if self.task == 'classification' else 'mIoU'}"

    @property
    def scored(self) -> str:
        """The score in words, with whose it is."""
        who = "PaddleSeg reports" if self.publisher == "PaddleSeg" else "the authors report"
        return f"{self.figure} on {self.dataset}, as {who}; not measured here"


_PADDLE: Final = "https://paddleseg.bj.bcebos.com/dygraph/ade20k/"
_PADDLE_PAGE: Final = "https://github.com/PaddlePaddle/PaddleSeg/tree/develop/configs/topformer"
_DRIVE: Final = "https://drive.google.com/file/d/"
_IMAGENET: Final = "https://drive.google.com/drive/folders/1NLz3QCDbaXJ2DeGxLPUfupZZbojceDJM"


def _paddleseg(size: SizeName, score: float) -> PublishedWeights:
    title = f"topformer_{size}_ade20k_512x512_160k"
    return PublishedWeights(
        name=f"paddleseg-{size}", publisher="PaddleSeg", task="segmentation", size=size, side=512,
        dataset="ade20k", score=score, title=title, page=_PADDLE_PAGE,
        url=f"{_PADDLE}{title}/model.pdparams", suffix=".pdparams",
    )  # fmt: skip


def _authors(
    size: SizeName, batch: str, score: float, drive: str, side: int = 512
) -> PublishedWeights:
    at = "" if side == 512 else f"-{side}"
    return PublishedWeights(
        name=f"authors-{size}{at}-{batch}", publisher="authors", task="segmentation", size=size,
        side=side, dataset="ade20k", score=score, page=f"{_DRIVE}{drive}",
        title=f"TopFormer-{size[0].upper()}_{side}x{side}_{batch}_160k",
    )  # fmt: skip


def _imagenet(size: SizeName, score: float) -> PublishedWeights:
    return PublishedWeights(
        name=f"authors-{size}-imagenet", publisher="authors", task="classification", size=size,
        side=224, dataset="imagenet", score=score, page=_IMAGENET,
        title=f"topformer-{size[0].upper()}-224-{score}",
    )  # fmt: skip


ZOO: Final = {
    one.name: one
    for one in (
        _paddleseg("tiny", 32.49),
        _paddleseg("small", 35.60),
        _paddleseg("base", 38.28),
        _authors("tiny", "2x8", 32.5, "1HsdinQHVKGzi8INJy29L48Ho1MmIeCZN", 448),
        _authors("tiny", "4x8", 33.4, "1UW6kmt5oxssxHylGaZg5CByP7xcFrOcF", 448),
        _authors("tiny", "2x8", 33.6, "11mxM2roRD-wXRYjw7YzKQVbQs2jsvYYw"),
        _authors("tiny", "4x8", 34.6, "1OnS3_PwjJuNMWCKisreNxw_Lma8uR8bV"),
        _authors("small", "2x8", 36.5, "16TJLt_lxJ-QvrDmYvhY_6vxRCYpyIN1n"),
        _authors("small", "4x8", 37.0, "19041fMb4HuDyNhIYdW1r5612FyzpexP0"),
        _authors("base", "2x8", 38.3, "1pYUUB4N6FVjXt1NKygtQis5WmhGECrNt"),
        _authors("base", "4x8", 39.2, "1m7CxYKWAyJzl5W3cj1vwsW4DfqAb_rqz"),
        _imagenet("tiny", 66.2),
        _imagenet("small", 72.3),
        _imagenet("base", 75.3),
    )
}
"""Name -> weights. PaddleSeg's are a retraining of its own, not the authors' files."""
