"""scripts/check_tnn around a stand-in for TNN's test program."""

import sys
from pathlib import Path

import numpy as np

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.predictors import open_onnx
from topformer_cli.process import Finished, run

SCRIPT = Path(__file__).parents[3] / "scripts" / "check_tnn"


def check(artifact: Artifact, folder: Path, body: str) -> Finished:
    program = folder / "TNNTest"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    command: list[str | Path] = [sys.executable, SCRIPT, "--tnntest", program, artifact.tnnproto]
    return run(command, timeout_s=120)


def test_the_output_is_compared_with_the_reference(artifact: Artifact, tmp_path: Path) -> None:
    shape = artifact.manifest.input.shape
    image = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    logits = open_onnx(artifact.onnx)(image)
    dims = " ".join(map(str, logits.shape))
    values = "\n".join(f"{value:.6f}" for value in logits.ravel())
    text = f"1\nlogits mat_type: 32 dims: 4 {dims}\n{values}\n"
    (tmp_path / "canned.txt").write_text(text)
    good = check(artifact, tmp_path, f"cp {tmp_path}/canned.txt output.txt")
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[-1].split()[:3] == ["net", "TNN", "ARM"]
    wrong = text.replace(values, "\n".join(["0.5"] * logits.size))
    (tmp_path / "canned.txt").write_text(wrong)
    assert check(artifact, tmp_path, f"cp {tmp_path}/canned.txt output.txt").returncode == 4


def test_a_program_that_fails_with_exit_code_0_is_found(artifact: Artifact, tmp_path: Path) -> None:
    found = check(artifact, tmp_path, "echo 'E/tnn: device is nil'; exit 0")
    assert found.returncode == 6
    assert "no output; it printed: E/tnn: device is nil" in found.stderr
