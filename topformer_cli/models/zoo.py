"""Weights that others have published, as one table: plain records, no torch.

PaddleSeg's scores and addresses: PaddlePaddle/PaddleSeg, README.md of configs/topformer, seaformer
(which writes small's address so) and pp_mobileseg. The authors': README.md of hustvl/TopFormer and
of fudan-zvg/SeaFormer, seaformer-seg; they lie on drives that only a browser gets them from, and
nobody published a checksum of any of these files. The encoders of the baselines: torchvision's
enums of weights, whose file names hold the beginning of a checksum, as open-mmlab's do; model cards
of the hub, which knows the checksum of each file.
"""

from dataclasses import dataclass
from typing import Final, Literal

from topformer_cli.models.baselines.table import BASELINES, ENCODER_NAMES
from topformer_cli.models.spec import SizeName, Task

Publisher = Literal["authors", "PaddleSeg", "torchvision", "open-mmlab", "timm", "NVIDIA"]
LICENCE: Final = "Apache-2.0"
"""Of the first two's code bases; neither says anything of its own about the weights."""

_WHOLE: Final = {row.encoder: row.name for row in BASELINES.values() if not row.of_paper}
"""The encoder of a network that is published as a whole -> what people call the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """One published file.

    size is TopFormer's, None of another network, which backbone says then, as a card does. side:
    pixels of the square crops that it was trained on. score: mIoU, single scale, or top-1 accuracy,
    in percent, as its publisher gives it, who may not. url is the file itself, or an address of the
    hub; empty where there is only page, where people get it. title is what its publisher calls it.
    sha256: as many hexadecimal digits of it as are published.
    """

    name: str
    publisher: Publisher
    task: Task
    size: SizeName | None
    backbone: str = "topformer"
    side: int
    dataset: str
    score: float | None
    title: str
    page: str
    url: str = ""
    suffix: str = ".pth"
    licence: str = LICENCE
    sha256: str = ""

    @property
    def archive(self) -> str:
        """What the file is called among downloads."""
        return f"{self.name}{self.suffix}"

    @property
    def network(self) -> str:
        """What people call the network."""
        if self.size is not None:
            return f"TopFormer-{self.size}"
        return (
            _WHOLE[self.backbone] if self.task == "segmentation" else ENCODER_NAMES[self.backbone]
        )

    @property
    def figure(self) -> str:
        """The score with its unit and its publisher's digits; nothing where there is none."""
        if self.score is None:
            return ""
        digits = {"PaddleSeg": 2, "torchvision": 2}.get(self.publisher, 1)
        return f"{self.score:.{digits}f} {'top-1' if self.task == 'classification' else 'mIoU'}"

    @property
    def scored(self) -> str:
        """The score in words, with whose it is; nothing without one."""
        if self.score is None:
            return ""
        who = "the authors report" if self.publisher == "authors" else f"{self.publisher} reports"
        return f"{self.figure} on {self.dataset}, as {who}; not measured here"


_PADDLE: Final = "https://paddleseg.bj.bcebos.com/dygraph/ade20k/"
_BOS: Final = "https://bj.bcebos.com/paddleseg/dygraph/ade20k/"
_PADDLE_CONFIGS: Final = "https://github.com/PaddlePaddle/PaddleSeg/tree/develop/configs/"
_DRIVE: Final = "https://drive.google.com/file/d/"
_IMAGENET: Final = "https://drive.google.com/drive/folders/1NLz3QCDbaXJ2DeGxLPUfupZZbojceDJM"


def _paddleseg(size: SizeName, score: float) -> PublishedWeights:
    title = f"topformer_{size}_ade20k_512x512_160k"
    return PublishedWeights(
        name=f"paddleseg-{size}", publisher="PaddleSeg", task="segmentation", size=size, side=512,
        dataset="ade20k", score=score, title=title, page=f"{_PADDLE_CONFIGS}topformer",
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


def _seaformer(size: str, batch: str, score: float, drive: str) -> PublishedWeights:
    return PublishedWeights(
        name=f"seaformer-{size}-{batch}", publisher="authors", task="segmentation", size=None,
        backbone=f"seaformer-{size}", side=512, dataset="ade20k", score=score,
        page=f"{_DRIVE}{drive}", title=f"SeaFormer-{size[0].upper()}_512x512_{batch}_160k",
    )  # fmt: skip


def _other_paddle(name: str, backbone: str, score: float, url: str) -> PublishedWeights:
    family = "seaformer" if backbone.startswith("seaformer") else "pp_mobileseg"
    return PublishedWeights(
        name=name, publisher="PaddleSeg", task="segmentation", size=None, backbone=backbone,
        side=512, dataset="ade20k", score=score, title=url.split("/")[-2],
        page=f"{_PADDLE_CONFIGS}{family}", url=url, suffix=".pdparams",
    )  # fmt: skip


def _imagenet(size: SizeName, score: float) -> PublishedWeights:
    return PublishedWeights(
        name=f"authors-{size}-imagenet", publisher="authors", task="classification", size=size,
        side=224, dataset="imagenet", score=score, page=_IMAGENET,
        title=f"topformer-{size[0].upper()}-224-{score}",
    )  # fmt: skip


def _encoder(
    publisher: Publisher, backbone: str, score: float | None, licence: str, url: str
) -> PublishedWeights:
    """Describe a classifier; a file is called NAME-DIGITS.pth, by its checksum's first."""
    of_hub = url.startswith("hf://")
    title = url.removeprefix("hf://") if of_hub else url.rpartition("/")[2]
    short = backbone.removesuffix("-x1.5")
    return PublishedWeights(
        name=f"{publisher.lower()}-{short}", publisher=publisher, task="classification", size=None,
        backbone=backbone, side=224, dataset="imagenet", score=score, title=title,
        page=f"https://huggingface.co/{title}" if of_hub else url, url=url, licence=licence,
        suffix=".bin" if of_hub else ".pth",
        sha256="" if of_hub else title.removesuffix(".pth").rpartition("-")[2],
    )  # fmt: skip


def _torchvision(backbone: str, score: float, file: str) -> PublishedWeights:
    url = f"https://download.pytorch.org/models/{file}"
    return _encoder("torchvision", backbone, score, "BSD-3-Clause", url)


_MMLAB: Final = "https://download.openmmlab.com/pretrain/third_party/"

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
        _seaformer("tiny", "2x8", 35.0, "14l4bTXYsaE-NaMpmBa-dXmt7l3_TJogQ"),
        _seaformer("tiny", "4x8", 36.5, "1eIBkr2x5jv4eNaNUQpC-91tbIlktXSPi"),
        _seaformer("small", "2x8", 38.9, "1eVLFdORpvdLS68hTJCN_SzGuHmepAFxT"),
        _seaformer("small", "4x8", 39.5, "1hGXFVc7F-vLAKe3BLjqnS06_8Fo7CO-L"),
        _seaformer("base", "2x8", 41.2, "1H-GLdNzEViB2-QAtLdXpQVngUmMb_Vsa"),
        _seaformer("base", "4x8", 41.9, "1flVg9imJTbgjcJrJiIn_3_lmYpaSKZuV"),
        _seaformer("large", "2x8", 43.0, "1AbbzfQIH6z7tJ8PGlnY1d0S1eEXkva8S"),
        _seaformer("large", "4x8", 43.8, "1SUISoIpZujAYrxrvGPMJidzfYH2KYaAp"),
        _other_paddle(
            "seaformer-tiny-paddle", "seaformer-tiny", 34.58,
            f"{_BOS}seaformer_tiny_ade20k_512x512_160k/model.pdparams",
        ),
        _other_paddle(
            "seaformer-small-paddle", "seaformer-small", 38.73,
            f"{_BOS}seaformer_small_ade20k_512x512_160k/model.pdparam",
        ),
        _other_paddle(
            "seaformer-base-paddle", "seaformer-base", 40.92,
            f"{_PADDLE}seaformer_ade20k_512x512_160k/model.pdparams",
        ),
        _other_paddle(
            "seaformer-large-paddle", "seaformer-large", 43.66,
            f"{_BOS}seaformer_large_ade20k_512x512_160k/model.pdparams",
        ),
        _other_paddle(
            "pp-mobileseg-tiny", "strideformer-tiny", 36.39,
            f"{_BOS}pp_mobileseg_tiny/model.pdparams",
        ),
        _other_paddle(
            "pp-mobileseg-base", "strideformer-base", 41.57,
            f"{_BOS}pp_mobileseg_base/model.pdparams",
        ),
        _imagenet("tiny", 66.2),
        _imagenet("small", 72.3),
        _imagenet("base", 75.3),
        _torchvision("mobilenetv2", 71.88, "mobilenet_v2-b0353104.pth"),
        _torchvision("mobilenetv3", 74.04, "mobilenet_v3_large-8738ca79.pth"),
        _torchvision("efficientnet", 77.69, "efficientnet_b0_rwightman-7f5810bc.pth"),
        _torchvision("shufflenetv2-x1.5", 73.00, "shufflenetv2_x1_5-3c479a10.pth"),
        _encoder("open-mmlab", "resnet18", None, LICENCE, f"{_MMLAB}resnet18_v1c-b5776b93.pth"),
        _encoder("timm", "hrnet-w18-small", None, "MIT", "hf://timm/hrnet_w18_small_v2.ms_in1k"),
        _encoder("NVIDIA", "mit-b0", None, "NVIDIA's own: read its page", "hf://nvidia/mit-b0"),
    )
}  # fmt: skip
"""Name -> weights. PaddleSeg's of other people's networks are a retraining, not the authors' files.
Of torchvision's several the oldest: newer ones classify better and need not segment better."""
