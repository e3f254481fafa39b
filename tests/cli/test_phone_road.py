"""ADE20K in its exact format, and a phone: the lines of the README with nothing else typed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Ran, Road
from tests.fakes.adb_device import FakeDevice, Faults
from tests.fakes.runners import answering_runner
from tests.unit.bench.conftest import StartDevice
from topformer_cli.api.bench_inputs import fixed_input
from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.data.decode import decode_image
from topformer_cli.data.protocol import EvalSettings, eval_input
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.runtimes import TnnRuntime
from topformer_cli.engine.predict import normalised
from topformer_cli.models.spec import ModelSpec

FEW = (
    "--rounds", "2", "--iterations", "3", "--warmup", "1", "--seconds", "0",
    "--warmup-seconds", "0",
)  # fmt: skip


@pytest.fixture(scope="module")
def exported(ade20k: Road) -> Artifact:
    done = ade20k.run("export")
    assert done.code == 0, done.err
    return load_artifact(Path(done.err.split("topformer bench ")[1].split()[0]))


@pytest.fixture(scope="module")
def runner(exported: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phone's program with TNNTest's command line that knows this network's answer."""
    return knowing(exported, fixed_input(exported.manifest), tmp_path_factory.mktemp("build"))


def knowing(exported: Artifact, inputs: np.ndarray, folder: Path) -> Path:
    (answer,) = TnnRuntime(exported.tnnproto)([inputs])
    return answering_runner({"logits": answer}, folder)


@pytest.fixture
def phone(start_device: StartDevice) -> FakeDevice:
    return start_device()


def well(done: Ran) -> Ran:
    assert done.code == 0, done.err
    return done


def test_prepared_set_says_that_it_is_a_part(ade20k: Road) -> None:
    listed = {one["name"]: one for one in well(ade20k.data("list", "--json")).record["sets"]}
    assert listed["ade20k"]["partial"] == "partial: train 4 of 20210, val 2 of 2000"


def test_eval_takes_the_run_and_names_the_data(ade20k: Road) -> None:
    record = well(ade20k.run("eval", "--json")).record
    assert (record["dataset"], record["images"], len(record["classes"])) == ("ade20k", 2, 150)
    assert record["notes"] == ["partial: train 4 of 20210, val 2 of 2000"]
    assert record["classes"][0] == "wall"
    assert "partial: train 4 of 20210" in well(ade20k.run("eval")).out


def test_bench_on_a_phone_and_again_with_the_kept_runner(
    ade20k: Road, runner: Path, phone: FakeDevice
) -> None:
    first = ade20k.run("bench", "--device", f"tcp:{phone.serial}", "--runner", runner, *FEW)
    assert "verdict: emulated" in well(first).out
    assert "output agrees with the reference: max difference" in first.out
    again = well(ade20k.run("bench", "--device", phone.serial, "--json", *FEW))
    exact, auto = again.record["results"]
    assert (exact["precision"], auto["precision"]) == ("fp32", "auto")
    record = exact
    assert (record["engine"], record["emulated"]) == ("TNN", True)
    assert record["device"]["model"] == "Eight Cores"
    assert record["core"]["verified"] is True
    assert record["parity"]["labels_equal"] == 1
    assert "using " in again.err
    assert phone.root.remains() == []


def test_without_a_runner_what_is_needed_is_told(
    ade20k: Road, phone: FakeDevice, tmp_path: Path
) -> None:
    words = ("bench", "--device", f"tcp:{phone.serial}", "--cache-dir", tmp_path)
    done = ade20k.run(*words, cache=False)
    assert done.code == 5
    assert done.out == ""
    for word in ("arm64-v8a", "runner build --tnn-home", "TNNTest", "--runner PATH"):
        assert word in done.err


def test_a_runner_that_answers_otherwise_is_refused(
    ade20k: Road, runner: Path, phone: FakeDevice, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    done = well(ade20k.run("export", "--input", "64x96", "--output-dir", other))
    (manifest,) = other.glob("*.json")
    serial = f"tcp:{phone.serial}"
    done = ade20k.run("bench", manifest, "--device", serial, "--runner", runner, *FEW)
    assert done.code in (4, 6)
    assert done.out == ""
    assert phone.root.remains() == []


def test_eval_scores_what_the_phone_computes(
    ade20k: Road, exported: Artifact, phone: FakeDevice, tmp_path: Path
) -> None:
    prepared = open_set("ade20k", Places(ade20k.runs, ade20k.cache))
    height, width = exported.manifest.input.shape[2:]
    stretched = eval_input(
        decode_image(prepared.encoded("val", 0)), EvalSettings("stretch", (width, height), 1)
    )
    spec = ModelSpec.from_json(exported.card, "card")
    program = knowing(exported, normalised(stretched, spec), tmp_path)
    words = ("eval", "--phone", f"tcp:{phone.serial}", "--runner", program, "--json")
    record = well(ade20k.run(*words, "--images", "1")).record
    assert record["weights"].endswith(f".tnnproto in TNN on {phone.serial}")
    assert record["beside"]["what"].endswith(" on this host")
    assert abs(record["miou_difference"]) < 1e-3
    assert "1 of 2 images, from all parts of val" in record["notes"]
    assert phone.root.remains() == []
    # The other image, to which the program gives the same answer.
    record = well(ade20k.run(*words)).record
    assert record["miou_difference"] != 0
    assert phone.root.remains() == []


def test_a_phone_that_is_unplugged_ends_an_evaluation(
    ade20k: Road, runner: Path, start_device: StartDevice, tmp_path: Path
) -> None:
    phone = start_device(Faults(drop_run=True, skip_runs=1))
    before = {path.name for path in ade20k.latest.iterdir()}
    words = ("eval", "--phone", f"tcp:{phone.serial}", "--runner", runner)
    done = ade20k.run(*words, "--output", tmp_path / "seen")
    assert (done.code, done.out) == (6, "")
    line = done.err.splitlines()[-1]
    assert line.startswith("topformer: ")
    assert "was unplugged, switched off, or is rebooting" in line
    assert {path.name for path in ade20k.latest.iterdir()} == before
    assert not list(tmp_path.glob("seen/*"))


def test_verify_compares_what_the_phone_computes(
    ade20k: Road, exported: Artifact, phone: FakeDevice, tmp_path: Path
) -> None:
    height, width = exported.manifest.input.shape[2:]
    picture = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    spec = ModelSpec.from_json(exported.card, "card")
    program = knowing(exported, normalised(picture, spec), tmp_path)
    phone_words = ("--device", f"tcp:{phone.serial}", "--runner", program, "--json")
    words = ("verify", exported.path, *phone_words)
    good = well(ade20k.run(*words, "--images", tmp_path / "picture.png")).record
    assert good["runtimes"][1]["runtime"].startswith("tnn in TNN on ")
    assert good["runtimes"][1]["parity"]["relative"] < 2e-6
    # Other pictures, to which the program gives the same answer.
    other = ade20k.run(*words)
    assert other.code == 4
    assert "tnn in TNN on " in other.err.splitlines()[-1]
    assert phone.root.remains() == []
