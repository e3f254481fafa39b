"""The published data sets that are known by name."""

from typing import Final

from topformer_cli.data.datasets import ade20k
from topformer_cli.data.spec import DatasetSpec

DATASETS: Final[dict[str, DatasetSpec]] = {
    "ade20k": ade20k.SPEC,
}
