"""Segmentation heads; a new head is one module here and one line in HEADS."""

from collections.abc import Mapping
from typing import Final

from topformer_cli.models.heads.concat import ConcatHead
from topformer_cli.models.heads.simple import SimpleHead

Head = SimpleHead | ConcatHead

HEADS: Final[Mapping[str, type[Head]]] = {"simple": SimpleHead, "concat": ConcatHead}
