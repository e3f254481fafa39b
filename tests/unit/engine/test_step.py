"""A step: what its parts count for, and half precision's overflows, and its least loss scale."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.conftest import MakeJob
from topformer_cli.engine.processes.world import ALONE
from topformer_cli.engine.step import Step, _all_finite
from topformer_cli.engine.tally import Counts, Tally
from topformer_cli.engine.tasks import make_task
from topformer_cli.engine.train import start_state


def number(value: float) -> torch.Tensor:
    return torch.tensor(float(value))


@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from([1.0, 2.0, 65536.0])), max_size=40))
def test_counts_are_what_happened(steps: list[tuple[bool, float]]) -> None:
    tally = Tally(torch.device("cpu"))
    in_a_row, skipped = 0, [place for place, (bad, _) in enumerate(steps) if bad]
    for place, (bad, scale) in enumerate(steps):
        loss = number("nan") if bad else number(2)
        tally.add(loss, torch.tensor(bad), number(place), number(scale))
        in_a_row = in_a_row + (scale == 1.0) if bad else 0
    taken = len(steps) - len(skipped)
    last = skipped[-1] if skipped else -1
    assert tally.read() == Counts(2.0 * taken, taken, len(skipped), in_a_row, last)


def test_overflow_in_half_precision_is_no_fault_until_the_scale_is_1(job: MakeJob) -> None:
    made = job("amp=fp16")
    task = make_task(made.recipe, made.prepared, made.spec)
    state, feed = start_state(made, task), task.feed(made.options)
    ((part,),) = feed.batches(0, 1)
    step = Step(task, feed, state, ALONE, torch.float16)
    with torch.no_grad():
        next(iter(state.network.parameters())).fill_(float("nan"))
    for _ in range(16):
        step([part.tensors])
    assert state.scaler.get_scale() == 1.0
    counts = state.tally.read()
    assert (counts.skipped, counts.in_a_row, counts.last_skipped) == (16, 0, 15)
    step([part.tensors])
    assert state.scaler.get_scale() == 1.0
    assert state.tally.read().in_a_row == 1


@pytest.mark.parametrize("amp", ["fp32", "bf16"])
def test_no_loss_scale_without_half_precision(job: MakeJob, amp: str) -> None:
    made = job(f"amp={amp}")
    task = make_task(made.recipe, made.prepared, made.spec)
    state, feed = start_state(made, task), task.feed(made.options)
    ((part,),) = feed.batches(0, 1)
    kind = torch.bfloat16 if amp == "bf16" else None
    Step(task, feed, state, ALONE, kind)([part.tensors])
    assert state.scaler.get_scale() == 1.0
    assert state.tally.read().taken == 1


@pytest.mark.parametrize("normalise", ["all_pixels", "valid"])
def test_parts_count_by_what_the_loss_is_a_mean_over(job: MakeJob, normalise: str) -> None:
    made = job("batch=4", f"loss.normalise={normalise}", "loss.class_weights=auto")
    task = make_task(made.recipe, made.prepared, made.spec)
    ((part,),) = task.feed(made.options).batches(0, 1)
    images, labels = part.tensors
    labels[:2, 4:] = 255
    found = []
    for size in (4, 2, 1):
        state = start_state(made, task)
        state.network.eval()  # what a part's batch statistics do is another matter
        step = Step(task, task.feed(made.options), state, ALONE, None)
        step(list(zip(images.split(size), labels.split(size), strict=True)))
        gradients = [one.grad.flatten() for one in step.parameters if one.grad is not None]
        found.append((state.tally.read().loss, torch.cat(gradients)))
    (loss, whole), *others = found
    for other_loss, gradient in others:
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert (gradient - whole).norm() <= 1e-4 * whole.norm()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 40, 99])
def test_one_value_that_is_not_finite_is_seen(bad: float, place: int) -> None:
    largest = torch.finfo(torch.float32).max
    tensors = [torch.full((100,), largest), torch.full((100,), -largest), torch.zeros(())]
    assert _all_finite(tensors)
    tensors[1][place] = bad
    assert not _all_finite(tensors)
