"""A bundle for an app: what is in it, and that its C++ and Kotlin compute what the golden says."""

import copy
import csv
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.bundle import Figures, Sample, write_bundle
from topformer_cli.deploy.bundle.reference import resize_like_the_app
from topformer_cli.deploy.export import ExportRequest, export
from topformer_cli.errors import ExportError
from topformer_cli.process import Finished, run

HW = (32, 64)
CARD: Mapping[str, Any] = {
    "size": "tiny",
    "classes": ("road", 'sky of $x "blue" @NAME@'),
    "palette": ((128, 64, 128), (70, 130, 180)),
    "dataset": "rendered scenes",
    "data_terms": "no restrictions",
    "mean": (123.675, 116.28, 103.53),
    "std": (58.395, 57.12, 57.375),
}


def picture() -> np.ndarray:
    """Coarse spots under fine noise, so that both classes occur."""
    rng = np.random.default_rng(3)
    spots = rng.integers(0, 200, (5, 8, 3), np.uint8).repeat(9, 0).repeat(9, 1)
    return spots[:, :71] + rng.integers(0, 56, (45, 71, 3), np.uint8)


SAMPLE = Sample(picture(), "spots")

Make = Callable[..., Artifact]


class AsLabels(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = nn.functional.interpolate(self.network(images), HW, mode="bilinear")
        return logits.argmax(1, keepdim=True)


class AsFull(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = (images.float() - 127.5) / 60
        return nn.functional.interpolate(self.network(values), HW, mode="bilinear")


def undecided(small_net: nn.Module) -> nn.Module:
    """A network that gives each of its two classes half of the picture."""
    network = copy.deepcopy(small_net)
    head = network.get_submodule("head")
    assert isinstance(head, nn.Conv2d)
    assert head.bias is not None
    with torch.no_grad():
        pixels = resize_like_the_app(SAMPLE.picture, HW).astype(np.float32).transpose(2, 0, 1)
        logits = network(torch.from_numpy((pixels[None] - 127.5) / 60))
        head.bias[1] += (logits[0, 0] - logits[0, 1]).median()
    return network


def full_logits(network: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        logits = network(torch.from_numpy(images))
        return nn.functional.interpolate(logits, HW, mode="bilinear").numpy()


@pytest.fixture(scope="session")
def bundled(
    tmp_path_factory: pytest.TempPathFactory, small_net: nn.Module
) -> Mapping[str, Artifact]:
    """Exports of all kinds: float32 and bytes, logits, full logits and labels, padded channels."""
    folder = tmp_path_factory.mktemp("bundled")
    network = undecided(small_net)
    noise = np.random.default_rng(1).standard_normal((1, 3, *HW), np.float32)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 3, *HW), np.uint8)

    def make(name: str, module: nn.Module, **more: Any) -> Artifact:
        request = ExportRequest(name=name, output_dir=folder, input_hw=HW)
        return export(module, CARD, replace(request, **more)).artifact

    logits = make("logits", network)
    labels = make(
        "labels", AsLabels(network).eval(), output="labels", formats=("onnx",),
        images=noise, reference=full_logits(network, noise),
    )  # fmt: skip
    full = make(
        "bytes", AsFull(network).eval(), output="full", formats=("onnx",),
        images=pixels, shown="rendered",
    )  # fmt: skip
    return {"logits": logits, "labels": labels, "bytes": full}


KINDS = ("logits", "bytes", "labels")


@pytest.fixture(scope="session", params=KINDS)
def bundle(
    request: pytest.FixtureRequest,
    bundled: Mapping[str, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / request.param
    write_bundle(bundled[request.param], folder, SAMPLE, Figures())
    return folder


@pytest.fixture
def logits_bundle(bundled: Mapping[str, Artifact], tmp_path: Path) -> Path:
    write_bundle(bundled["logits"], tmp_path / "app", SAMPLE, Figures())
    return tmp_path / "app"


def compiled(bundle: Path, program: Path) -> Path:
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    source = bundle / "cpp" / "golden_test.cpp"
    flags = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    done = run([compiler, *flags, source, "-o", program], timeout_s=300)
    assert done.returncode == 0, done.stderr
    return program


def test_the_cpp_computes_what_the_golden_says(bundle: Path, tmp_path: Path) -> None:
    done = run([compiled(bundle, tmp_path / "test"), bundle / "golden"], timeout_s=60)
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["tensor", "equal"], ["labels", "equal"], ["picture_labels", "equal"], ["layer", "equal"]
    ]  # fmt: skip
    assert done.returncode == 0


def test_a_wrong_golden_is_found(logits_bundle: Path, tmp_path: Path) -> None:
    program = compiled(logits_bundle, tmp_path / "test")

    def outcome(name: str, content: bytes) -> Finished:
        golden = tmp_path / "wrong"
        shutil.copytree(logits_bundle / "golden", golden)
        (golden / f"{name}.bin").write_bytes(content)
        done = run([program, golden], timeout_s=60)
        shutil.rmtree(golden)
        return done

    for name in ("tensor", "labels", "picture_labels", "layer", "output", "picture"):
        right = (logits_bundle / "golden" / f"{name}.bin").read_bytes()
        # The sign of the last float32, or the top bit of the last byte.
        wrong = right[:-1] + bytes([right[-1] ^ 0x80])
        if name == "output":
            wrong = np.negative(np.frombuffer(right, "<f4")).tobytes()
        assert outcome(name, right).returncode == 0
        assert outcome(name, wrong).returncode == 1, name
        short = outcome(name, right[:-1])
        assert short.returncode == 1
        assert f"{name}.bin: {len(right) - 1} bytes instead of {len(right)}" in short.stderr


def test_the_kotlin_computes_what_the_golden_says(bundle: Path, tmp_path: Path) -> None:
    compiler, java = shutil.which("kotlinc"), shutil.which("java")
    if compiler is None or java is None:
        pytest.skip("no Kotlin compiler on this machine")
    sources = sorted((bundle / "kotlin").iterdir())
    jar = tmp_path / "test.jar"
    made = run([compiler, *sources, "-include-runtime", "-d", jar], timeout_s=300)
    assert made.returncode == 0, made.stderr
    done = run([java, "-jar", jar, bundle / "golden"], timeout_s=60)
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["equal"] * 4
    assert done.returncode == 0


def test_the_golden_is_what_the_exported_file_gives(bundle: Path) -> None:
    record = json.loads((bundle / "golden" / "golden.json").read_text())
    arrays = {
        name: np.fromfile(bundle / "golden" / one["file"], one["dtype"]).reshape(one["shape"])
        for name, one in record["arrays"].items()
    }
    assert record["output_computed_by"] == "onnx"
    assert np.array_equal(arrays["picture"], SAMPLE.picture)
    assert arrays["labels"].shape == HW
    assert arrays["picture_labels"].shape == SAMPLE.picture.shape[:2]
    assert set(np.unique(arrays["labels"])) == {0, 1}
    for name, file in (("labels", "labels"), ("picture_labels", "picture_labels")):
        with Image.open(bundle / "golden" / f"{file}.png") as image:
            assert np.array_equal(np.asarray(image), arrays[name])
            shown = np.asarray(image.convert("RGB"))
        assert np.array_equal(shown, np.uint8(CARD["palette"])[arrays[name]])


def test_the_golden_labels_are_those_of_torch(
    bundled: Mapping[str, Artifact], bundle: Path
) -> None:
    if bundle.name == "labels":
        pytest.skip("ends in labels itself")
    channels, *size = bundled[bundle.name].manifest.output.shape[1:]
    output = np.fromfile(bundle / "golden/output.bin", "<f4").reshape(1, channels, *size)
    for name, wanted in (("labels", HW), ("picture_labels", SAMPLE.picture.shape[:2])):
        logits = nn.functional.interpolate(torch.from_numpy(output), wanted, mode="bilinear")[0]
        labels = np.fromfile(bundle / f"golden/{name}.bin", np.uint8).reshape(wanted)
        other = logits.argmax(0).numpy() != labels
        # Positions are rounded to 1/2048 of a sample: only near ties may differ.
        gap = (logits[0] - logits[1]).abs().numpy()
        assert other.mean() < 0.01
        assert gap[other].max(initial=0) <= 2e-3 * float(logits.abs().max())


def test_the_constants_are_those_of_the_model(bundle: Path) -> None:
    cpp = (bundle / "cpp/model_constants.hpp").read_text()
    kotlin = (bundle / "kotlin/ModelConstants.kt").read_text()
    kind = bundle.name
    output = {
        "logits": (4, 8, 2, 8),  # two classes, which the TNN file pads
        "bytes": (32, 64, 2, 2),
        "labels": (32, 64, 1, 1),
    }[kind]
    names = ("OutputHeight", "OutputWidth", "OutputChannels", "TnnOutputChannels")
    for name, value in zip(names, output, strict=True):
        assert f"int k{name} = {value};" in cpp
        assert f"const val {_upper(name)} = {value}\n" in kotlin
    for name, value in (("InputIsBytes", kind == "bytes"), ("EndsInLabels", kind == "labels")):
        text = "true" if value else "false"
        assert f"bool k{name} = {text};" in cpp
        assert f"const val {_upper(name)} = {text}\n" in kotlin
    assert "kMean[3] = {123.675f, 116.28f, 103.53f};" in cpp
    assert r'"sky of $x \"blue\" @NAME@"' in cpp
    assert r'"sky of \$x \"blue\" @NAME@"' in kotlin
    assert "{128, 64, 128}, {70, 130, 180}," in cpp
    assert "0x804080, 0x4682B4," in kotlin


def _upper(name: str) -> str:
    return "".join(f"_{c}" if c.isupper() and at else c for at, c in enumerate(name)).upper()


def test_the_card_says_on_what_the_files_were_verified(bundle: Path) -> None:
    shown = {
        "logits": "(on noise)",
        "bytes": "(on rendered scenes)",
        "labels": "(on pictures that were given)",
    }
    assert shown[bundle.name] in (bundle / "MODEL_CARD.md").read_text()


def test_the_bundle_holds_the_whole_export(bundled: Mapping[str, Artifact], tmp_path: Path) -> None:
    artifact = bundled["logits"]
    files = write_bundle(artifact, tmp_path / "app", SAMPLE, Figures())
    assert set(files) == {path for path in (tmp_path / "app").rglob("*") if path.is_file()}
    copied = load_artifact(tmp_path / "app" / "model" / "logits.json")
    assert copied.manifest == artifact.manifest
    assert (tmp_path / "app/cpp/tnn_example.cpp").is_file()
    assert (tmp_path / "app/labels.txt").read_text().splitlines() == list(CARD["classes"])
    with (tmp_path / "app/palette.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [
        ["0", "road", "128", "64", "128"],
        ["1", CARD["classes"][1], "70", "130", "180"],
    ]
    palette = json.loads((tmp_path / "app/palette.json").read_text())
    assert palette[1] == {"index": 1, "name": CARD["classes"][1], "rgb": [70, 130, 180]}
    record = json.loads((tmp_path / "app/bundle.json").read_text())
    assert {tmp_path / "app" / name for name in record["files"]} == set(files) - {
        tmp_path / "app/bundle.json"
    }
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_no_tnn_example_without_a_tnn_file(bundled: Mapping[str, Artifact], tmp_path: Path) -> None:
    write_bundle(bundled["labels"], tmp_path / "app", SAMPLE, Figures())
    assert not (tmp_path / "app/cpp/tnn_example.cpp").exists()
    assert "tnn_example" not in (tmp_path / "app/MODEL_CARD.md").read_text()


def test_an_earlier_bundle_is_replaced_and_nothing_else(
    bundled: Mapping[str, Artifact], logits_bundle: Path
) -> None:
    def again() -> None:
        write_bundle(bundled["bytes"], logits_bundle, SAMPLE, Figures())

    again()
    assert (logits_bundle / "model/bytes.onnx").is_file()
    assert not (logits_bundle / "model/logits.onnx").exists()
    (logits_bundle / "cpp/mine.cpp").write_text("int main() {}")
    with pytest.raises(ExportError, match=r"app: holds cpp/mine.cpp, which is not as the earlier"):
        again()
    (logits_bundle / "cpp/mine.cpp").unlink()
    with (logits_bundle / "cpp/topformer.hpp").open("a") as file:
        file.write("// changed\n")
    with pytest.raises(ExportError, match=r"holds a changed cpp/topformer.hpp"):
        again()
    assert (logits_bundle / "cpp/topformer.hpp").read_text().endswith("// changed\n")


@pytest.mark.parametrize(
    "manifest", [None, "{", "[]", '{"kind": "other"}', '{"kind": 1, "files": 2}']
)
def test_a_folder_that_is_no_bundle_is_left_alone(
    bundled: Mapping[str, Artifact], tmp_path: Path, manifest: str | None
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "photo.jpg").write_text("mine")
    if manifest is not None:
        (folder / "bundle.json").write_text(manifest)
    with pytest.raises(ExportError, match="exists and is no earlier bundle"):
        write_bundle(bundled["logits"], folder, SAMPLE, Figures())
    assert (folder / "photo.jpg").read_text() == "mine"
    with pytest.raises(ExportError, match=r"photo.jpg: is a file; name a folder"):
        write_bundle(bundled["logits"], folder / "photo.jpg", SAMPLE, Figures())


def test_an_empty_folder_is_taken(bundled: Mapping[str, Artifact], tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    write_bundle(bundled["logits"], tmp_path / "app", SAMPLE, Figures())
    assert (tmp_path / "app/bundle.json").is_file()
    assert (tmp_path / "app").stat().st_mode & 0o055 == 0o055


def test_a_bundle_that_fails_leaves_the_earlier_one(
    artifact: Artifact, logits_bundle: Path, bundled: Mapping[str, Artifact]
) -> None:
    before = {path: path.read_bytes() for path in logits_bundle.rglob("*") if path.is_file()}
    damaged = Artifact(artifact.path, bundled["logits"].manifest)  # whose files are not there
    with pytest.raises(ExportError, match=r"logits\.onnx"):
        write_bundle(damaged, logits_bundle, SAMPLE, Figures())
    after = {path: path.read_bytes() for path in logits_bundle.rglob("*") if path.is_file()}
    assert after == before
    assert [path for path in logits_bundle.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({}, "this export lacks classes, palette, mean, std"),
        ({**CARD, "mean": ()}, "this export lacks mean"),
        ({**CARD, "palette": CARD["palette"][:1]}, "2 classes, 1 colours and 2 output channels"),
        ({**CARD, "classes": ["x"] * 3, "palette": [[0, 0, 0]] * 3}, "3 classes, 3 colours and 2"),
    ],
)
def test_an_export_that_does_not_say_what_it_is_cannot_be_bundled(
    bundled: Mapping[str, Artifact], tmp_path: Path, card: dict[str, Any], said: str
) -> None:
    good = bundled["logits"]
    bad = Artifact(good.path, good.manifest.model_copy(update={"card": card}))
    with pytest.raises(ExportError, match=said):
        write_bundle(bad, tmp_path / "app", SAMPLE, Figures())
    assert not (tmp_path / "app").exists()
