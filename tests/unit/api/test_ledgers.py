"""Ledgers of real jobs: what they begin with, depart in, and what a resumed run changes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.engine.conftest import SHORT, prepare_scenes
from topformer_cli.api.ledgers import (
    begin_ledger,
    go_on_with_ledger,
    keep_ledger,
    read_ledger,
    spread_of,
    start_of,
)
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.processes.world import World
from topformer_cli.engine.tasks import model_spec
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint
from topformer_cli.models.spec import ModelSpec
from topformer_cli.models.start import fit_start
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results.ledger import Departure, Ledger, Spread
from topformer_cli.rundir import RunDir, new_run

CPU = FeedOptions(device=torch.device("cpu"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    return prepare_scenes(tmp_path_factory.mktemp("ledger"))


def make_job(prepared: PreparedSet, name: str = "scenes", *overrides: str) -> TrainJob:
    recipe = load_recipe(name, Choices("tiny", None, overrides))
    return TrainJob(recipe, prepared, model_spec(recipe, prepared.card), CPU)


def begin(job: TrainJob) -> Ledger:
    recipe = job.recipe
    reference = load_recipe(recipe.name, Choices(recipe.size, recipe.preset))
    return begin_ledger(job, reference, recipe.name)


def test_a_run_as_the_preset_has_it_departs_in_nothing(prepared: PreparedSet) -> None:
    ledger = begin(make_job(prepared))
    card = prepared.card
    assert ledger.departures == ()
    assert (ledger.preset, ledger.preset_sets) == ("code", {})
    assert (ledger.start.kind, ledger.amp, ledger.seed) == ("scratch", "fp32", 0)
    assert (ledger.data.name, ledger.data.fingerprint) == (card.name, card.fingerprint)
    assert ledger.spread == Spread(batch=16, per_device=16)
    assert set(ledger.versions) == {"topformer", "torch"}


def test_what_was_typed_is_a_departure_and_nothing_else(prepared: PreparedSet) -> None:
    ledger = begin(make_job(prepared, "ade20k", "batch=4", "optimizer.lr=3e-4", "amp=bf16"))
    assert ledger.departures == (
        Departure("batch", 16, 4), Departure("amp", "auto", "bf16"),
    )  # fmt: skip
    assert ledger.preset_sets == {"optimizer.lr": 3e-4, "model.fuse": "depthwise"}
    assert ledger.amp == "bf16"


def test_of_another_network_only_what_was_chosen_is_told(prepared: PreparedSet) -> None:
    network = "model.network=pspnet-mobilenetv2"
    recipe = load_recipe("ade20k", Choices(None, None, (network, "batch=2", "model.auxiliary=0.4")))
    job = TrainJob(recipe, prepared, model_spec(recipe, prepared.card), CPU)
    ledger = begin_ledger(job, load_recipe("ade20k", Choices()), "ade20k")
    assert list(map(str, ledger.departures)) == [
        "batch 2 (preset 16)",
        "optimizer.lr 0.00012 (preset 0.0003)",
        "model.network pspnet-mobilenetv2 (preset topformer)",
        "model.auxiliary 0.4 (preset unset)",
    ]
    assert ledger.preset_sets == {"optimizer.lr": 3e-4}


def test_of_another_optimizer_only_what_was_chosen_is_told(prepared: PreparedSet) -> None:
    sgd, usual = "optimizer.kind=sgd", "optimizer.kind sgd (preset adamw)"
    for more, told in (("0.9", []), ("0.8", ["optimizer.momentum 0.8 (preset unset)"])):
        ledger = begin(make_job(prepared, "scenes", sgd, f"optimizer.momentum={more}"))
        assert list(map(str, ledger.departures)) == [usual, *told]


def test_an_ablation_departs_in_nothing_from_its_own_file(prepared: PreparedSet) -> None:
    assert begin(make_job(prepared, "ade20k-448")).departures == ()


def test_detectors_say_how_they_are_normalised(prepared: PreparedSet) -> None:
    kinds = {}
    for norm in ("plain", "sync", "frozen"):
        job = make_job(prepared, "coco-retinanet", f"model.norm={norm}")
        kinds[norm] = spread_of(dealt(job, processes=8)).norm_images
    assert kinds == {"plain": 2, "sync": 16, "frozen": 0}


def dealt(job: TrainJob, processes: int, parts: int = 1) -> TrainJob:
    options = replace(CPU, world=World(size=processes), parts=parts)
    return replace(job, options=options)


@pytest.mark.parametrize(
    ("batch", "processes", "parts", "per_device", "norm_images"),
    [(16, 1, 1, 16, 16), (16, 8, 1, 2, 16), (16, 2, 4, 2, 4), (16, 1, 4, 4, 4)],
)
def test_batches_are_dealt_out(
    prepared: PreparedSet, batch: int, processes: int, parts: int, per_device: int, norm_images: int
) -> None:
    spread = spread_of(dealt(make_job(prepared, "ade20k", f"batch={batch}"), processes, parts))
    assert (spread.batch, spread.per_device, spread.accumulation) == (batch, per_device, parts)
    assert (spread.processes, spread.norm_images) == (processes, norm_images)
    assert spread.norm == ("sync" if processes > 1 else "plain")


def started(job: TrainJob, spec: ModelSpec, origin: dict[str, object]) -> TrainJob:
    given = Checkpoint(spec, build_model(spec).state_dict(), origin)
    start = fit_start(given, job.spec, "w", partial=True)
    return replace(job, start=start.checkpoint, start_name="w.pth")


def classifier(size: str = "tiny", dataset: str = "imagenet") -> ModelSpec:
    classes = tuple(str(index) for index in range(1000))
    return ModelSpec(
        task="classification", size=size, head="linear", fuse=None,  # type: ignore[arg-type]
        classes=classes, palette=((0, 0, 0),) * 1000, input_size=(224, 224), dataset=dataset,
    )  # fmt: skip


def test_starts_are_told_apart(prepared: PreparedSet) -> None:
    job = make_job(prepared)
    assert start_of(job).kind == "scratch"
    theirs = start_of(started(job, classifier(), {"file": "w.pth", "complete": True}))
    assert (theirs.kind, theirs.ours, theirs.left) == ("imagenet", False, 0)
    ours = start_of(started(job, classifier(), {"recipe": {}}))
    assert (ours.kind, ours.ours, ours.left) == ("imagenet", True, 0)
    other = start_of(started(job, job.spec, {"recipe": {}}))
    assert (other.kind, other.task, other.dataset) == ("other", "segmentation", "little-scenes")
    assert start_of(started(job, classifier(dataset="unknown"), {})).kind == "unknown"


def test_a_start_that_fits_in_part_is_told(prepared: PreparedSet) -> None:
    job = make_job(prepared)
    given = started(job, classifier(), {})
    assert given.start is not None
    cut = {k: v for k, v in given.start.weights.items() if not k.startswith("token_pyramid.stem")}
    missing = len(given.start.weights) - len(cut)
    told = start_of(replace(given, start=replace(given.start, weights=cut)))
    assert (missing, told.left) == (6, 6)


def test_resuming_elsewhere_is_told_once(prepared: PreparedSet, tmp_path: Path) -> None:
    job, run = make_job(prepared), new_run(tmp_path, "train", "kept")
    assert go_on_with_ledger(job, run) is None
    keep_ledger(run, job)
    assert not run.ledger.exists()
    keep_ledger(run, replace(job, ledger=begin(job)))
    assert read_ledger(run) == begin(job)
    assert go_on_with_ledger(job, run) == begin(job)
    two = dealt(job, processes=2)
    expected = (
        "16 images: 8 a device, 1 accumulated, 2 processes (was 16 images: 16 a device, 1 "
        "accumulated, 1 processes)",
        "batch norm synchronised, over 16 images (was plain, over 16 images)",
    )
    for _ in range(2):
        ledger = go_on_with_ledger(two, run)
        assert ledger is not None
        assert ledger.changes == expected
        keep_ledger(run, replace(job, ledger=ledger))
    assert dict(ledger.lines())["resumed"] == expected[-1]


def test_a_damaged_ledger_is_none(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for text in ("", "[]", "{", '{"schema": 1}'):
        run.ledger.write_text(text)
        assert read_ledger(run) is None


def test_short_runs_depart_in_what_makes_them_short(prepared: PreparedSet) -> None:
    ledger = begin(make_job(prepared, "scenes", *SHORT))
    assert {one.key for one in ledger.departures} == {text.partition("=")[0] for text in SHORT}
