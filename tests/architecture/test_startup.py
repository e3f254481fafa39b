"""`--help` answers at once: it loads no library that a command works with."""

import json
import os
import subprocess
import sys
from pathlib import Path

from topformer_cli.cli import COMMANDS

HEAVY = {
    "torch", "torchvision", "numpy", "onnx", "onnxruntime", "datasets", "adbutils", "pydantic",
    "cv2", "rich", "PIL", "scipy", "matplotlib", "pyarrow",
}  # fmt: skip

ASK = """
import json, sys
import click
from topformer_cli.cli import run, topformer

def lines(command, words):
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from lines(command.get_command(context, name), [*words, name])

answers = {}
run(["--help"])
answers[""] = (0, sorted(sys.modules))
for words in lines(topformer, []):
    code = run([*words, "--help"])
    answers[" ".join(words)] = (code, sorted(sys.modules))
print("\\n@" + json.dumps(answers))
"""


def python(*words: str) -> str:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_help_of_every_command_loads_nothing_heavy() -> None:
    answers = json.loads(python("-c", ASK).rpartition("\n@")[2])
    assert set(COMMANDS) <= set(answers)
    assert {"data prepare", "data list", "data check", "data info", "data show"} <= set(answers)
    for words, (code, loaded) in answers.items():
        assert code == 0, words
        assert HEAVY & set(loaded) == set(), words


def test_module_and_version_answer() -> None:
    assert python("-m", "topformer_cli", "--version").startswith("topformer, version ")
    text = python("-m", "topformer_cli", "--help")
    assert all(f"  {name}" in text for name in COMMANDS)


def test_only_a_detector_loads_torchvision() -> None:
    # Its import takes seconds, which segmentation has no use for.
    lines = (
        "import sys",
        "import topformer_cli.api.exporting, topformer_cli.api.models, topformer_cli.api.training",
        "import topformer_cli.models.build, topformer_cli.models.spec",
        "print('torchvision' in sys.modules)",
        "from topformer_cli.models.build import BUILDERS",
        "from topformer_cli.models.spec import ModelSpec",
        "card = dict(size='tiny', fuse=None, classes=('a',), palette=((0, 0, 0),), dataset='x')",
        "for task in BUILDERS:",
        "    loaded = 'torchvision' in sys.modules",
        "    BUILDERS[task](ModelSpec(task=task, input_size=(64, 64), **card), 0.0, 0.0)",
        "    print(task, 'torchvision' in sys.modules and not loaded)",
    )
    assert python("-c", "\n".join(lines)).split() == [
        "False", "segmentation", "False", "classification", "False", "detection", "True",
    ]  # fmt: skip


def test_boxes_are_scored_without_torch() -> None:
    lines = (
        "import sys, faster_coco_eval, topformer_cli.api.scoring, topformer_cli.commands.show",
        "print('torch' in sys.modules)",
    )
    assert python("-c", "\n".join(lines)).strip() == "False"
