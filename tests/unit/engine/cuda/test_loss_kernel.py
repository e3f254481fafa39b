"""The CUDA kernel of the loss, run by triton's interpreter where there is no CUDA device."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

PROGRAM = """
import json
import torch
import torch.nn.functional as F
from topformer_cli.engine.cuda.loss import scored

torch.manual_seed(0)
cases = [
    (2, 11, (3, 4), (12, 16), 3.0), (1, 150, (2, 2), (5, 6), 1.0), (1, 8, (4, 3), (2, 3), 1.0),
    (1, 20, (2, 3), (8, 12), 1000.0), (1, 2, (1, 1), (4, 4), 1.0),
]
found = []
for batch, classes, low, high, spread in cases:
    logits = (torch.randn(batch, classes, *low) * spread).requires_grad_()
    labels = torch.randint(0, classes, (batch, *high), dtype=torch.uint8)
    labels[torch.rand(labels.shape) < 0.2] = 255
    for weights in (None, torch.rand(classes)):
        divisor = torch.tensor(float(labels.numel()))
        loss, gradient = scored(logits.detach(), labels, divisor, weights, logits.dtype)
        wide = F.interpolate(logits.double(), size=high, mode="bilinear", align_corners=False)
        weight = None if weights is None else weights.double()
        total = F.cross_entropy(wide, labels.long(), weight, ignore_index=255, reduction="sum")
        wanted = total / labels.numel()
        (slope,) = torch.autograd.grad(wanted, logits)
        found.append((
            float(abs(loss - wanted) / wanted),
            float((gradient - slope).abs().max() / slope.abs().max()),
        ))
print(json.dumps(found))
"""


def test_loss_and_gradient_are_those_of_plain_operators() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert len(found) == 10
    assert max(loss for loss, _ in found) < 1e-6
    assert max(gradient for _, gradient in found) < 2e-6
