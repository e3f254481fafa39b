"""MatMul and Gemm."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require, scalar
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.elementwise import Add, Mul
from topformer_cli.deploy.tnn.layers.inner_product import InnerProduct
from topformer_cli.deploy.tnn.layers.matmul import NO_CONSTANT, MatMul
from topformer_cli.deploy.tnn.layers.parts import Expand
from topformer_cli.deploy.tnn.layers.shape import Permute


def emit_matmul(node: OnnxNode) -> list[Emitted]:
    """Write a matrix product; TNN broadcasts nothing but a batch of one."""
    for place in (0, 1):
        constant = node.constant(place)
        if constant is not None:
            return _with_constant(node, constant, place)
    shapes = node.input_shape(0), node.input_shape(1)
    require(min(map(len, shapes)) >= 2, f"{list(shapes[0])} times {list(shapes[1])}")
    batch, chain = node.output_shape()[:-2], Chain(node)
    blobs = [
        _to_batch(chain, node.blob(i), shape, batch)
        if math.prod(shape[:-2]) != 1 or len(shape) != len(shapes[1 - i])
        else node.blob(i)
        for i, shape in enumerate(shapes)
    ]
    return chain.end(MatMul(NO_CONSTANT), *blobs)


def _to_batch(chain: Chain, blob: str, shape: tuple[int, ...], batch: tuple[int, ...]) -> str:
    full = (*[1] * (len(batch) + 2 - len(shape)), *shape)
    if full != shape:
        blob = chain.add(to_shape(*full), blob)
    whole = (*batch, *shape[-2:])
    one = math.prod(full[:-2]) == 1
    return blob if one or full == whole else chain.add(Expand(whole), blob)


def _with_constant(node: OnnxNode, constant: NDArray[Any], place: int) -> list[Emitted]:
    chain, blob, shape = Chain(node), node.blob(1 - place), node.input_shape(1 - place)
    batch = math.prod(constant.shape[:-2])
    fits = batch == 1 and len(shape) >= max(2, constant.ndim)
    require(fits, f"a constant of shape {list(constant.shape)} with a value of {list(shape)}")
    if constant.ndim == 1:
        column = constant.reshape((-1, 1) if place else (1, -1))
        product = chain.add(MatMul(place), blob, weights=[column])
        return chain.end(to_shape(*node.output_shape()), product)
    matrix = np.asarray(constant.reshape(constant.shape[-2:]))
    if place == 1 and len(shape) == 2:
        bias = np.zeros(matrix.shape[1])
        return chain.end(InnerProduct(matrix.shape[1]), blob, weights=[matrix.T, bias])
    return chain.end(MatMul(place), blob, weights=[matrix])


def emit_gemm(node: OnnxNode) -> list[Emitted]:
    """Write alpha A B + beta C: an InnerProduct where B and C are constants, else its parts."""
    chain, rank = Chain(node), 2
    matrix = node.constant(1)
    addend, left = _addend(node), node.constant(0)
    require(matrix is None or left is None, "both matrices are constants")
    if matrix is not None:
        turned: NDArray[Any] = matrix if node.integer("transB", 0) else matrix.T
        inline = addend is None or addend.shape[:-1] in ((), (1,))
        bias: NDArray[Any] = np.asarray(
            addend if inline and addend is not None else np.zeros(len(turned))
        )
        weights = [
            turned * node.number("alpha", 1.0),
            np.broadcast_to(bias.reshape(-1), [len(turned)]),
        ]
        record = InnerProduct(len(turned))
        blob = _turned(chain, node, 0)
        if (inline and node.constant(2) is not None) or node.value(2) is None:
            return chain.end(record, blob, weights=weights)
        product = chain.add(record, blob, weights=weights)
    else:
        if left is not None:
            stored = left.T if node.integer("transA", 0) else left
            product = chain.add(MatMul(0), _turned(chain, node, 1), weights=[stored])
        else:
            pair = [_turned(chain, node, place) for place in (0, 1)]
            product = chain.add(MatMul(NO_CONSTANT), *pair)
        product = chain.add(Mul(1), product, weights=scalar(node.number("alpha", 1.0), rank))
    if addend is not None:
        return chain.end(Add(1), product, weights=[addend.reshape(_two(addend.shape))])
    if node.value(2) is None:
        return chain.end(to_shape(*node.output_shape()), product)
    other = chain.add(to_shape(*_two(node.input_shape(2))), node.blob(2))
    other = chain.add(Mul(1), other, weights=scalar(node.number("beta", 1.0), rank))
    return chain.end(Add(), product, other)


def _addend(node: OnnxNode) -> NDArray[Any] | None:
    constant = node.constant(2)
    return None if constant is None else constant * node.number("beta", 1.0)


def _turned(chain: Chain, node: OnnxNode, place: int) -> str:
    blob = node.blob(place)
    turn = node.integer("transB" if place else "transA", 0)
    return chain.add(Permute((1, 0)), blob) if turn else blob


def _two(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*[1] * (2 - len(shape)), *shape)


MATMUL: Final = Emitter(emit_matmul)
GEMM: Final = Emitter(emit_gemm, frozenset({"alpha", "beta", "transA", "transB"}))
