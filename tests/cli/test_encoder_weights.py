"""The ImageNet files that baselines begin with, over loopback and as people type it."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v2, resnet18

from tests.cli.conftest import Road, prepared_road, run_cli
from tests.cli.test_weights import last_line, on_the_hub, weights
from tests.fakes.http_server import Page, Server, serving
from topformer_cli.models.backbones import CLASSIFIERS
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.models.zoo import ZOO


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return prepared_road(tmp_path_factory.mktemp("little"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as one:
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        yield one


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mobilenet") / "theirs.pth"
    torch.save(mobilenet_v2().state_dict(), path)
    return path


def test_a_file_whose_name_holds_digits_of_its_checksum(
    server: Server, own_cache: Path, monkeypatch: pytest.MonkeyPatch, mobilenet: Path
) -> None:
    name, data = "torchvision-mobilenetv2", mobilenet.read_bytes()
    url = server.put("mobilenet.pth", Page(data))
    monkeypatch.setitem(ZOO, name, replace(ZOO[name], url=url))
    line = last_line(weights("fetch", name), 3)
    assert "published is b0353104" in line
    assert not (own_cache / "weights").exists()
    digits = sha256(data).hexdigest()[:8]
    monkeypatch.setitem(ZOO, name, replace(ZOO[name], url=url, sha256=digits))
    done = weights("fetch", name)
    assert done.code == 0, done.err
    assert "nobody published a checksum" not in done.err
    assert "71.88 top-1 on imagenet, as torchvision reports; not measured here" in done.out
    assert "next: topformer train raspp-mobilenetv2 or liteaspp-mobilenetv2 or " in done.err
    record = weights("info", name, "--json").record
    assert (record["network"], record["may_be"]) == ("MobileNetV2", [name])
    assert "fcn8s-mobilenetv2" in record["begins"]
    kept = load_checkpoint(own_cache / "weights" / f"{name}.safetensors")
    assert (kept.spec.dataset, kept.origin["licence"]) == ("imagenet", "BSD-3-Clause")


def test_published_weights_of_the_hub(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    path = tmp_path / "pytorch_model.bin"
    torch.save(CLASSIFIERS["mit-b0"](1000).state_dict(), path)
    on_the_hub(server, path, sha256(path.read_bytes()).hexdigest(), "tf.h5", at="nvidia/mit-b0")
    record = weights("fetch", "nvidia-mit-b0", "--json").record
    assert (record["network"], record["verified"]) == ("MiT-B0", "published checksum")
    assert (record["origin"]["revision"], record["origin"]["from"]) == (
        "0123456789abcdef", "hf://nvidia/mit-b0",
    )  # fmt: skip


def test_a_baseline_begins_with_its_encoders_file(
    tmp_path: Path, little: Road, mobilenet: Path
) -> None:
    words = (
        "train", "little", "--cache-dir", little.cache, "--work-dir", tmp_path, "-o", "batch=2",
        "-o", "augment.crop=[64,64]", "-o", "schedule.iterations=1", "-o", "schedule.warmup=0",
    )  # fmt: skip
    done = run_cli(*words, "--weights", mobilenet, "-o", "model.network=raspp-mobilenetv2")
    assert done.code == 0, done.err
    told = " ".join(done.err.split())
    assert "306 tensors matched, none missing, none unexpected; 8 of the classifier dropped" in told
    assert "(classifier.1.bias, classifier.1.weight, features.18.0.weight, " in told
    torch.save(resnet18().state_dict(), tmp_path / "resnet.pth")
    network = "model.network=liteaspp-resnet18"
    line = last_line(run_cli(*words, "--weights", tmp_path / "resnet.pth", "-o", network), 3)
    assert line.endswith(
        "resnet.pth holds nothing that fits Lite-ASPP with ResNet18; it begins with open-mmlab's "
        "resnet18_v1c (--weights open-mmlab-resnet18); torchvision's resnet18 begins with one 7x7 "
        "convolution in place of three 3x3"
    )
