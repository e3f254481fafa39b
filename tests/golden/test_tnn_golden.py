"""The written text form of a network with every layer, against the file kept here.

`scripts/golden` writes the file anew; look at the difference before committing it.
"""

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import to_tnn
from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.proto import read_proto, write_proto

GOLDEN = Path(__file__).with_name("every_layer.tnnproto")
READ_ONLY = {"Softmax"}
GRAPH = """
<ir_version: 10, opset_import: ["": 20]>
every_layer (
    float[1,3,32,32] input,
    float[8,3,3,3] stem, float[8] stem_bias, float[8,1,5,5] depthwise, float[8,8,1,1] point,
    float[4,4] left, float[1,8,1,1] shift, float[8] one_each, float[8] variance,
    float[8,8,2,2] back,
    float[8,5] table, float[5] offset, float[8,1,1] slopes
) => (float[1,8,8,8] logits, float[1,8,2] scores, int64[1,1,8,8] labels, float[1,5] classes,
      float[1,8,8,8] moved)
{
    stem_out = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (input, stem, stem_bias)
    relu_out = Relu (stem_out)
    depthwise_out = Conv <strides = [2, 2], pads = [2, 2, 2, 2], group = 8> (relu_out, depthwise)
    zero = Constant <value_float = 0.0> ()
    six = Constant <value_float = 6.0> ()
    relu6_out = Clip (depthwise_out, zero, six)
    point_out = Conv (relu6_out, point)
    low = Constant <value_float = -0.1> ()
    clipped = Clip (point_out, low, six)
    lone_relu = Relu (clipped)
    lone_relu6 = Clip (lone_relu, zero, six)
    pooled = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (lone_relu6)
    peaks = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (lone_relu)
    pair = Concat <axis = 1> (pooled, peaks)
    parts = Constant <value_ints = [8, 8]> ()
    first, second = Split <axis = 1> (pair, parts)
    mixed = MatMul (left, first)
    shape = Constant <value_ints = [1, 2, 4, 16]> ()
    keys = Reshape (mixed, shape)
    queries = Reshape (second, shape)
    turned = Transpose <perm = [0, 1, 3, 2]> (keys)
    scale = Constant <value_float = 0.25> ()
    scaled = Mul (turned, scale)
    product = MatMul (scaled, queries)
    attention = Softmax <axis = 2> (product)
    values = MatMul (queries, attention)
    map_shape = Constant <value_ints = [1, 8, 4, 4]> ()
    map = Reshape (values, map_shape)
    size = Constant <value_ints = [1, 8, 8, 8]> ()
    up = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel"> (map, , , size)
    gate = HardSigmoid <alpha = 0.2, beta = 0.5> (up)
    gated = Mul (up, gate)
    shifted = Sub (shift, gated)
    soft = Sigmoid (shifted)
    divided = Div (gated, soft)
    swished = HardSwish (divided)
    logits = Add (swished, clipped)
    global = GlobalAveragePool (logits)
    two = Constant <value_ints = [1, 4, 2]> ()
    flat = Reshape (global, two)
    scores_in = Concat <axis = 1> (flat, flat)
    scores = Relu (scores_in)
    labels = ArgMax <axis = 1, keepdims = 1> (logits)
    centred = InstanceNormalization <epsilon = 0.00001> (logits, one_each, one_each)
    grown = ConvTranspose <strides = [2, 2]> (centred, back)
    borders = Constant <value_ints = [0, 0, 1, 1, 0, 0, 1, 1]> ()
    bordered = Pad (grown, borders)
    starts = Constant <value_ints = [1, 1]> ()
    ends = Constant <value_ints = [17, 17]> ()
    axes = Constant <value_ints = [2, 3]> ()
    inner = Slice (bordered, starts, ends, axes)
    deep = SpaceToDepth <blocksize = 2> (inner)
    first_eight = Constant <value_ints = [8, 24]> ()
    few, rest = Split <axis = 1> (deep, first_eight)
    steady = Tanh (few)
    bent = Elu <alpha = 0.5> (steady)
    scaled_bent = Selu (bent)
    sloped = PRelu (scaled_bent, slopes)
    gated_by_normal = Gelu (sloped)
    positive = Softplus (gated_by_normal)
    root = Sqrt (positive)
    logarithm = Log (root)
    grown_again = Exp (logarithm)
    exponent = Constant <value_float = 1.5> ()
    raised = Pow (grown_again, exponent)
    inverse = Reciprocal (raised)
    whole = Floor (inverse)
    upper = Ceil (inverse)
    larger = Max (whole, upper)
    smaller = Min (larger, raised)
    negative = Neg (smaller)
    size_of = Abs (negative)
    sign = Sign (negative)
    signed = Mul (size_of, sign)
    channel = Constant <value_ints = [1]> ()
    mean = ReduceMean (signed, channel)
    total = ReduceSum (signed, channel)
    largest = ReduceMax (signed, channel)
    smallest = ReduceMin (signed, channel)
    statistics = Sum (mean, total, largest, smallest)
    full = Constant <value_ints = [1, 8, 8, 8]> ()
    repeated = Expand (statistics, full)
    moved = BatchNormalization (repeated, one_each, one_each, one_each, variance)
    map_mean = ReduceMean <keepdims = 0> (moved, axes)
    classes = Gemm (map_mean, table, offset)
}
"""


def every_layer() -> ir.Model:
    proto = onnx.parser.parse_model(GRAPH)
    for value in list(proto.graph.input)[1:]:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        weight = np.random.default_rng(0).standard_normal(shape, np.float32)
        if value.name == "variance":
            weight = np.abs(weight)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, value.name))
        proto.graph.input.remove(value)
    onnx.checker.check_model(proto, full_check=True)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def test_the_text_form_is_the_golden_one() -> None:
    network = to_tnn(rewrite(every_layer()).model, "every_layer").network
    text = write_proto(network)
    if "TOPFORMER_UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    assert read_proto(GOLDEN) == network
    assert {layer.record.TYPE for layer in network.layers} | READ_ONLY == set(LAYERS)
