"""Non-maximum suppression at the end of an ONNX graph of candidates."""

from dataclasses import dataclass
from typing import Final

import onnx
from onnx import compose, parser

BOX_OUTPUTS: Final = ("boxes", "scores", "classes")
CANDIDATES: Final = ("candidates", "candidate_scores")

_ENDING: Final = """
<ir_version: {ir_version}, opset_import: ["" : {opset}]>
suppression (float[1,{number},4] all_boxes, float[1,{classes},{number}] all_scores)
    => (float[found,4] boxes, float[found] scores, int64[found] classes)
{{
    most = Constant <value = int64[1] {{ {most} }}> ()
    iou = Constant <value = float[1] {{ {iou} }}> ()
    score = Constant <value = float[1] {{ {score} }}> ()
    chosen = NonMaxSuppression (all_boxes, all_scores, most, iou, score)
    chosen_scores = GatherND (all_scores, chosen)
    count = Shape (chosen_scores)
    kept = Min (count, most)
    scores, order = TopK (chosen_scores, kept)
    rows = Gather <axis = 0> (chosen, order)
    class_column = Constant <value_int = 1> ()
    number_column = Constant <value_int = 2> ()
    classes = Gather <axis = 1> (rows, class_column)
    numbers = Gather <axis = 1> (rows, number_column)
    picture = Constant <value_int = 0> ()
    its_boxes = Gather <axis = 0> (all_boxes, picture)
    boxes = Gather <axis = 0> (its_boxes, numbers)
}}
"""
"""A row of `chosen` is (picture, class, number of the candidate)."""


@dataclass(frozen=True, slots=True)
class SuppressionRule:
    """Which boxes stay: those above score, unless a better one of their class overlaps by iou.

    most: how many of a picture, the best.
    """

    score: float
    iou: float
    most: int


def end_in_boxes(model: onnx.ModelProto, rule: SuppressionRule) -> onnx.ModelProto:
    """Return a graph that ends in CANDIDATES with BOX_OUTPUTS in their place.

    Shapes: boxes [1, N, 4] and scores [1, classes, N] -> boxes [n, 4], scores [n], falling, and
    classes [n], with n at most rule.most.
    """
    _, classes, number = (one.dim_value for one in model.graph.output[1].type.tensor_type.shape.dim)
    ending = parser.parse_model(
        _ENDING.format(
            ir_version=model.ir_version,
            opset=model.opset_import[0].version,
            number=number,
            classes=classes,
            most=rule.most,
            iou=float(rule.iou),
            score=float(rule.score),
        )
    )
    joints = list(zip(CANDIDATES, ("all_boxes", "all_scores"), strict=True))
    return compose.merge_models(model, ending, io_map=joints)
