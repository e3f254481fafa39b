"""Weights stored in half: what is rounded, what is kept, what is lost."""

import numpy as np
import torch

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.tnn.interpreter import load_tnn
from topformer_cli.deploy.tnn.model import parse_model, write_model
from topformer_cli.deploy.tnn.network import Resource
from topformer_cli.deploy.tnn.precision.half_storage import KeptWeights, store_half


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


class TestStorage:
    def test_weights_become_half_and_read_back(self) -> None:
        weight = numbers(4, 3, 1, 1)
        stored = store_half([Resource("Convolution", "c", (weight, numbers(4)))]).resources
        content = write_model(stored)
        assert [array.dtype for array in parse_model(content)[0].weights] == [np.float16] * 2
        np.testing.assert_array_equal(parse_model(content)[0].weights[0], weight.astype("f2"))

    def test_what_does_not_fit_stays_and_what_vanishes_is_counted(self) -> None:
        large = Resource("Add", "a", (np.array([65505, 1], np.float32),))
        tiny = Resource("Mul", "m", (np.array([1e-9, 0, 1, 2e-8], np.float32),))
        found = store_half([large, tiny])
        assert found.resources[0] is large
        assert found.resources[1].weights[0].dtype == np.float16
        assert found.kept == (KeptWeights("a", "Add", 65505.0),)
        assert found.vanished == {"m": 2}

    def test_the_largest_half_is_stored(self) -> None:
        found = store_half([Resource("Add", "a", (np.array([65504], np.float32),))])
        assert found.resources[0].weights[0][0] == 65504
        assert not found.kept

    def test_other_layers_and_whole_numbers_are_left_alone(self) -> None:
        others = (
            Resource("Const", "k", (np.ones(1, np.float32),)),
            Resource("Convolution", "q", (np.ones((1, 1, 1, 1), np.int8),)),
            Resource("InnerProduct", "i", (np.ones((1, 1), np.float32), np.empty(0, np.float32))),
        )
        found = store_half(others).resources
        assert found[:2] == others[:2]
        assert found[2].weights[1].dtype == np.float16

    def test_a_stored_network_is_computed_with_rounded_weights(self, artifact: Artifact) -> None:
        loaded = load_tnn(artifact.tnnproto)
        model = artifact.tnnproto.with_suffix(".tnnmodel")
        before = model.stat().st_size
        model.write_bytes(write_model(store_half(parse_model(model.read_bytes())).resources))
        halved = load_tnn(artifact.tnnproto)
        assert model.stat().st_size < 0.7 * before
        for name, weights in loaded.weights.items():
            for full, half in zip(weights, halved.weights[name], strict=True):
                assert torch.equal(full.half().float(), half)
