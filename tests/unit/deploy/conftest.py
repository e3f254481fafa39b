"""A small export that the tests of this folder share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.export import ExportRequest, export

HW = (32, 64)
CARD: Mapping[str, Any] = {"classes": ("road", "sky"), "palette": ((1, 2, 3), (4, 5, 6))}


class SmallNet(nn.Module):
    """Every operator that matters for an exported file, in three layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, 2, H / 8, W / 8]."""
        x = nn.functional.avg_pool2d(torch.relu(self.stem(images)), 4)
        logits: Tensor = self.head(x * nn.functional.hardsigmoid(x))
        return logits


@pytest.fixture(scope="session")
def small_net() -> SmallNet:
    torch.manual_seed(0)
    return SmallNet().eval()


@pytest.fixture(scope="session")
def card() -> Mapping[str, Any]:
    return CARD


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, small_net: SmallNet) -> Artifact:
    folder = tmp_path_factory.mktemp("exported")
    request = ExportRequest(name="net", output_dir=folder, input_hw=HW)
    return export(small_net, CARD, request).artifact


@pytest.fixture
def artifact(exported: Artifact, tmp_path: Path) -> Artifact:
    """A copy that the test may damage."""
    for path in exported.path.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return Artifact(tmp_path / exported.path.name, exported.manifest)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, 3, *HW), np.float32)
