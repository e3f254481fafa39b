"""The published data sets that are known by name."""

from typing import Final

from topformer_cli.data.datasets import ade20k, coco, coco_stuff, imagenet, pascal_context
from topformer_cli.data.spec import DatasetSpec, Task

DATASETS: Final[dict[str, DatasetSpec]] = {
    "ade20k": ade20k.SPEC,
    "pascal-context": pascal_context.SPEC,
    "pascal-context-59": pascal_context.SPEC_59,
    "coco-stuff-10k": coco_stuff.SPEC_10K,
    "coco-stuff-164k": coco_stuff.SPEC_164K,
    "coco": coco.SPEC,
    "imagenet": imagenet.SPEC,
}


def sets_for(task: Task) -> tuple[DatasetSpec, ...]:
    """Return the published sets of a task."""
    return tuple(spec for spec in DATASETS.values() if spec.task == task)
