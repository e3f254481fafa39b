"""`topformer train --dry-run` and `--profile`: a training that is only tried."""

from typing import TYPE_CHECKING

from topformer_cli import console
from topformer_cli.api import rehearsing
from topformer_cli.units import size_text

if TYPE_CHECKING:
    from topformer_cli.api.training import TrainRequest
    from topformer_cli.results import DiskNeed, MemoryNeed, SpeedFound, StepProfile, TrainingPlan


def dry_run(request: "TrainRequest", *, as_json: bool) -> None:
    """Print the resolved recipe and the plan."""
    found = rehearsing.dry_run(request)
    if as_json:
        console.result_json(found.to_json())
    else:
        console.result(found.recipe.to_yaml().rstrip())
    for text in found.notes:
        console.warn(f"{found.recipe.dataset}: {text}")
    for text in found.recipe.oddities:
        console.warn(text)
    if found.plan is None:
        console.note(f"the recipe alone, for no step was tried: {found.problem}")
        return
    if not as_json:
        console.result("")
        console.facts(_plan_facts(found.plan))
    for text in shortages(found.plan):
        console.warn(text)


def profile(request: "TrainRequest", *, as_json: bool) -> None:
    """Print where the time of a step goes."""
    with console.progress("profile", "steps") as update:
        found = rehearsing.profile(request, update)
    if as_json:
        console.result_json(found.to_json())
        return
    _show_profile(found)


def shortages(plan: "TrainingPlan") -> list[str]:
    """Return what this machine has too little of, each with a remedy."""
    return [*_memory_shortage(plan), *_disk_shortage(plan.disk)]


def _memory_shortage(plan: "TrainingPlan") -> list[str]:
    memory = plan.memory
    if not memory.short:
        return []
    left = "" if memory.free is None else f" ({size_text(memory.free)} free)"
    each = -(-plan.share // plan.parts)
    if memory.fits:
        remedy = f"set -o device_batch={max(1, each // 2)} to be on the safe side"
        return [f"{memory.device} has little memory left{left}: {remedy}"]
    if memory.device_batch:
        return [
            f"{memory.device} has too little memory for {each} images at once{left}: "
            f"set -o device_batch={memory.device_batch}, the largest that was found to fit"
        ]
    return [
        f"{memory.device} has too little memory even for one image at once{left}: free some, "
        "or set a smaller -o augment.crop"
    ]


def _disk_shortage(disk: "DiskNeed") -> list[str]:
    if not disk.short:
        return []
    return [
        f"the disk has {size_text(disk.free)} free, and the run needs {size_text(disk.total)}: "
        "free some space or choose another place with --work-dir"
    ]


def _plan_facts(plan: "TrainingPlan") -> list[tuple[str, str]]:
    return [
        ("set", f"{plan.set_name}: {plan.train_images:,} train, {plan.val_images:,} val images"),
        ("batch", _batch_words(plan)),
        ("length", f"{plan.steps_per_epoch:,.1f} steps an epoch, {plan.epochs:,.1f} epochs"),
        ("learning rate", plan.schedule),
        ("pixels", f"{plan.pixels}; all of them decoded take {size_text(plan.decoded_bytes)}"),
        ("memory", _memory_words(plan.memory)),
        *_speed_facts(plan.speed),
        ("disk", _disk_words(plan.disk)),
    ]


def _batch_words(plan: "TrainingPlan") -> str:
    processes = f"{plan.processes} processes" if plan.processes > 1 else "one process"
    parts = f"in {plan.parts} parts" if plan.parts > 1 else "at once"
    return (
        f"{plan.batch} = {processes} x {plan.share} images {parts} on {plan.device}; "
        f"{plan.workers} loader processes"
    )


def _memory_words(memory: "MemoryNeed") -> str:
    free = "" if memory.free is None else f" of {size_text(memory.free)} free"
    what = "more resident" if memory.device == "cpu" else "allocated"
    if memory.fits:
        return f"a step of {memory.device_batch} images takes {size_text(memory.peak)} {what}{free}"
    if memory.device_batch:
        tried = f"{memory.device_batch} images at once take {size_text(memory.peak)} {what}"
        return f"a step does not fit{free}; {tried}"
    return f"a step does not fit{free}"


def _speed_facts(speed: "SpeedFound | None") -> list[tuple[str, str]]:
    if speed is None:
        return []
    return [
        (
            "speed",
            f"{speed.step_s:.3g} s a step, {speed.images_per_s:.1f} images/s, "
            f"{speed.wait_share:.0%} waiting for data (median of {speed.steps} steps)",
        ),
        (
            "time",
            f"{console.clock(speed.total_s)} in all, with {speed.evaluations} evaluations of "
            f"{console.clock(speed.evaluation_s)}",
        ),
    ]


def _disk_words(disk: "DiskNeed") -> str:
    parts = {"checkpoints": disk.checkpoints, "pictures": disk.pictures, "decoded": disk.decoded}
    words = ", ".join(f"{name} {size_text(count)}" for name, count in parts.items() if count)
    return f"{size_text(disk.total)} ({words}) of {size_text(disk.free)} free"


def _show_profile(found: "StepProfile") -> None:
    title = (
        f"A step on {found.device}: {found.step_s * 1000:.1f} ms, {found.images_per_s:.1f} "
        f"images/s (mean of {found.steps} at batch {found.batch})"
    )
    rows = [(one.name, f"{one.seconds * 1000:.1f}", f"{one.share:.1%}") for one in found.parts]
    console.table(title, ("part", "ms", "share"), rows)
    rows = [(one.name, f"{one.seconds * 1000:.2f}", f"{one.calls:.0f}") for one in found.operators]
    title = f"The dearest operators, by their own time a step (traced, {found.traced} steps)"
    console.table(title, ("operator", "ms", "calls"), rows)
    console.note(f"trace for Perfetto or chrome://tracing: {found.trace}")
