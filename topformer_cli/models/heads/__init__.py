"""Segmentation heads; a new head is one module here and one line in HEADS."""

from typing import Final

from topformer_cli.models.heads.simple import SimpleHead

HEADS: Final = {"simple": SimpleHead}
