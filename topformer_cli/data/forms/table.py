"""The forms by task."""

from typing import Final

from topformer_cli.data.forms.classification import Classification
from topformer_cli.data.forms.detection import Detection
from topformer_cli.data.forms.row import Form
from topformer_cli.data.forms.segmentation import Segmentation
from topformer_cli.data.spec import Task

FORMS: Final[dict[Task, Form]] = {
    "segmentation": Segmentation(),
    "detection": Detection(),
    "classification": Classification(),
}
