"""The schedule as a function of the step, and which parameters learn how fast."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.models.conftest import make_spec
from topformer_cli.engine.optim import (
    build_optimizer,
    learning_rate_factor,
    load_optimizer,
    scheduled_rates,
    set_learning_rate,
)
from topformer_cli.errors import RecipeError
from topformer_cli.models.build import build_model
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.sections.classification import StairsSection
from topformer_cli.sections.record import (
    AdamWOrSGDSection,
    AdamWSection,
    MomentumSection,
    PolySection,
    StepsSection,
)

ADE = load_recipe("ade20k", Choices("tiny"))
SETTINGS = AdamWSection(lr=1e-3, weight_decay=0.01, betas=(0.9, 0.999), head_lr_factor=10.0)


def schedule(iterations: int = 100, warmup: int = 10, power: float = 1.0) -> PolySection:
    return PolySection(iterations=iterations, warmup=warmup, warmup_ratio=1e-6, power=power)


def test_ade20k_starts_low_and_ends_at_zero() -> None:
    factor = learning_rate_factor
    assert factor(ADE.schedule, 0) == pytest.approx(1e-6)
    assert factor(ADE.schedule, 750) == pytest.approx((1 - 750 / 160_000) * 0.5, rel=1e-5)
    assert factor(ADE.schedule, 1500) == pytest.approx(1 - 1500 / 160_000)
    assert factor(ADE.schedule, 159_999) == pytest.approx(1 / 160_000)
    assert factor(ADE.schedule, 160_000) == factor(ADE.schedule, 200_000) == 0


@given(
    iterations=st.integers(2, 1000), warmup=st.integers(0, 50), power=st.sampled_from([0.5, 1.0, 2])
)
def test_rises_to_the_end_of_warmup_and_falls_after_it(
    iterations: int, warmup: int, power: float
) -> None:
    settings = schedule(iterations, min(warmup, iterations // 4), power)
    rates = [learning_rate_factor(settings, step) for step in range(iterations + 1)]
    assert all(0 <= rate <= 1 for rate in rates)
    after = rates[settings.warmup :]
    assert all(later < earlier for earlier, later in itertools.pairwise(after))
    assert rates[-1] == 0
    assert settings.warmup == 0 or rates[0] == pytest.approx(1e-6)


def test_head_learns_faster_and_everything_decays() -> None:
    network = build_model(make_spec())
    rest, head = build_optimizer(network, SETTINGS).param_groups
    assert (rest["lr_factor"], head["lr_factor"]) == (1, 10)
    assert len(head["params"]) == 5
    assert len(rest["params"]) == 188
    assert {group["weight_decay"] for group in (rest, head)} == {0.01}
    own = network.get_submodule("head").parameters()
    assert {id(p) for p in head["params"]} == {id(p) for p in own}


def test_rate_is_set_for_both_groups() -> None:
    optimizer = build_optimizer(build_model(make_spec()), SETTINGS)
    base = set_learning_rate(optimizer, 1e-3, schedule(), 50)
    assert base == pytest.approx(5e-4)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([5e-4, 5e-3])
    assert isinstance(optimizer, torch.optim.AdamW)


def test_steps_fall_where_the_shares_say() -> None:
    settings = StepsSection(
        iterations=87_960, warmup=500, warmup_ratio=1e-3, steps=(0.666667, 0.916667), factor=0.1
    )
    rates = [learning_rate_factor(settings, step) for step in (0, 250, 500, 58_639, 58_640)]
    assert rates == pytest.approx([0.001, 0.5005, 1, 1, 0.1])
    last = [learning_rate_factor(settings, step) for step in (80_629, 80_630, 87_959)]
    assert last == pytest.approx([0.1, 0.01, 0.01])


def test_a_schedule_is_drawn_as_it_is_trained_by() -> None:
    stepped = StepsSection(
        iterations=5000, warmup=100, warmup_ratio=0.01, steps=(0.75,), factor=0.1
    )
    rates = scheduled_rates(2e-4, stepped)
    assert len(rates) == 1000
    assert dict(rates)[0] == pytest.approx(2e-6)
    assert dict(rates)[3745] == 2e-4
    assert dict(rates)[3750] == pytest.approx(2e-5)
    assert len(scheduled_rates(1.0, stepped.model_copy(update={"iterations": 3}))) == 3


def stairs(noise_from: float = 1.0, iterations: int = 750_600) -> StairsSection:
    return StairsSection(
        iterations=iterations, warmup=12_510, warmup_ratio=1e-6, power=0, factor=0.973,
        every=3002.4, noise_from=noise_from, noise_every=1251,
    )  # fmt: skip


def test_stairs_begin_after_the_warmup_and_have_been_counted_in_it() -> None:
    factor = learning_rate_factor
    assert factor(stairs(), 0) == pytest.approx(1e-6)
    assert factor(stairs(), 6255) == pytest.approx(0.5, rel=1e-5)
    assert factor(stairs(), 12_509) == pytest.approx(1, rel=1e-4)
    assert factor(stairs(), 12_510) == pytest.approx(0.973**4)
    assert [factor(stairs(), step) for step in (15_011, 15_013)] == pytest.approx(
        [0.973**4, 0.973**5]
    )
    assert factor(stairs(), 750_599) == pytest.approx(0.973**249)


def test_noise_changes_with_each_epoch_of_the_rest_and_is_the_same_each_time() -> None:
    start = round(0.42 * 750_600)
    plain, noisy = stairs(), stairs(0.42)
    assert noisy.decay(start - 1) == plain.decay(start - 1)
    steps = range(start, 750_600, 1251)
    parts = [noisy.decay(step) / plain.decay(step) - 1 for step in steps]
    assert parts == [stairs(0.42).decay(step) / plain.decay(step) - 1 for step in steps]
    assert noisy.decay(start + 1) == noisy.decay(start + 1250)
    assert len(set(parts)) == len(steps) > 300
    assert -0.67 < min(parts) < -0.6 < 0.6 < max(parts) < 0.67
    assert sum(parts) / len(parts) == pytest.approx(0, abs=0.06)


def test_a_polynomial_is_one_without_stairs() -> None:
    settings = StairsSection(iterations=100, warmup=10, warmup_ratio=1e-6, power=1.0)
    assert [settings.decay(step) for step in range(101)] == [
        schedule().decay(step) for step in range(101)
    ]


def test_sgd_moves_every_parameter_with_momentum_and_decay() -> None:
    network = build_model(make_spec())
    settings = MomentumSection(kind="sgd", lr=0.1, weight_decay=1e-4, momentum=0.9)
    optimizer = build_optimizer(network, settings)
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert len(group["params"]) == 193
    assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 1e-4, False)
    assert set_learning_rate(optimizer, 0.1, schedule(), 50) == pytest.approx(0.05)
    adamw = build_optimizer(network, settings.model_copy(update={"kind": "adamw"}))
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"] == (0.9, 0.999)


def descent(**settings: object) -> AdamWOrSGDSection:
    plain = {"kind": "sgd", "lr": 0.1, "weight_decay": 5e-4, "head_lr_factor": 1.0}
    return AdamWOrSGDSection.model_validate(plain | settings)


def test_sgd_of_segmentation_is_that_of_detection_with_a_factor_for_the_head() -> None:
    network = build_model(make_spec())
    rest, head = build_optimizer(network, descent(momentum=0.8, head_lr_factor=2.0)).param_groups
    assert (rest["lr_factor"], head["lr_factor"], len(head["params"])) == (1, 2, 5)
    for group in (rest, head):
        assert (group["momentum"], group["weight_decay"], group["dampening"]) == (0.8, 5e-4, 0)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    found = []
    for settings in (
        descent(),
        MomentumSection(kind="sgd", lr=0.1, weight_decay=5e-4, momentum=0.9),
    ):
        torch.manual_seed(1)
        network = build_model(make_spec())
        optimizer = build_optimizer(network, settings)
        for step in range(3):
            set_learning_rate(optimizer, 0.1, schedule(warmup=0), step)
            optimizer.zero_grad()
            network(images).square().mean().backward()
            optimizer.step()
        found.append(network.state_dict())
    assert all(torch.equal(one, found[1][name]) for name, one in found[0].items())


def test_each_kind_has_its_own_settings_and_says_no_others() -> None:
    assert "betas" not in descent().model_dump()
    assert "momentum" not in descent(kind="adamw").model_dump()
    assert AdamWOrSGDSection.model_validate(descent(momentum=0.5).model_dump()).momentum == 0.5


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("optimizer.momentum=0.9",), "-o optimizer.momentum: got 0.9; it is SGD's; AdamW has opt"),
        (("optimizer.kind=sgd", "optimizer.betas=[0.8,0.9]"),
         "-o optimizer.betas: got [0.8, 0.9]; they are AdamW's; SGD has optimizer.momentum, so "),
        (("optimizer.kind=sdg",),
         "-o optimizer.kind: got 'sdg'; did you mean 'sgd'? input should be 'adamw' or 'sgd'"),
        (("optimizer.kind=lion",), "-o optimizer.kind: input should be 'adamw' or 'sgd', got 'l"),
        (("schedule.min_lr=1e-4",),
         "-o schedule.min_lr: unknown key; did you mean 'schedule.floor', a share of "),
    ],
)  # fmt: skip
def test_settings_of_the_other_kind_are_refused(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe("ade20k", Choices("tiny", None, overrides))
    assert said in str(error.value)


def test_a_polynomial_may_end_above_zero() -> None:
    settings = PolySection(iterations=100, warmup=0, warmup_ratio=0, power=0.9, floor=0.01)
    rates = [0.01 * settings.decay(step) for step in (0, 50, 100, 200)]
    # mmcv: (base - min) * (1 - progress)^power + min, of 0.01 and 1e-4.
    assert rates == pytest.approx([0.01, (0.01 - 1e-4) * 0.5**0.9 + 1e-4, 1e-4, 1e-4])


def test_layer_normalisation_and_position_can_be_spared_the_decay() -> None:
    network = torch.nn.Module()
    network.body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.LayerNorm(4))
    network.body.codes = torch.nn.Parameter(torch.zeros(1, 4, 16))
    network.head = torch.nn.Sequential(torch.nn.BatchNorm2d(4), torch.nn.LayerNorm(4))
    settings = SETTINGS.model_copy(update={"decayed": "but_norm_and_position"})
    groups = build_optimizer(network, settings).param_groups
    assert [(one["lr_factor"], one["weight_decay"], len(one["params"])) for one in groups] == [
        (1, 0.01, 2), (1, 0.0, 3), (10, 0.01, 2), (10, 0.0, 2),
    ]  # fmt: skip


def test_a_saved_optimizer_of_another_device_goes_on_here() -> None:
    network = build_model(make_spec())
    saved, resumed = (build_optimizer(network, SETTINGS) for _ in range(2))
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    saved.step()
    content = saved.state_dict()
    for group in content["param_groups"]:
        group |= {"capturable": True, "lr": torch.zeros((), dtype=torch.float64)}
    load_optimizer(resumed, content)
    first = next(network.parameters())
    assert torch.equal(resumed.state[first]["exp_avg"], saved.state[first]["exp_avg"])
    rest, head = resumed.param_groups
    assert (rest["capturable"], rest["lr"].dtype) == (False, torch.float32)
    set_learning_rate(resumed, 0.1, schedule(), 50)
    assert [float(one["lr"]) for one in (rest, head)] == pytest.approx([0.05, 0.5])
    with pytest.raises(ValueError, match="shorter"):
        load_optimizer(resumed, content | {"param_groups": content["param_groups"][:1]})


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_skipped_first_step_leaves_no_trace(kind: str) -> None:
    settings = MomentumSection(kind=kind, lr=0.1, weight_decay=1e-4, momentum=0.9)
    found = []
    for gradients in ([float("inf"), 1.0, 2.0], [1.0, 2.0]):
        torch.manual_seed(0)
        network = torch.nn.Linear(40, 50)
        optimizer = build_optimizer(network, settings)
        set_learning_rate(optimizer, 0.1, schedule(warmup=0), 0)
        scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
        scaler.scale(torch.ones(()))
        for value in gradients:
            for parameter in network.parameters():
                parameter.grad = torch.full_like(parameter, value)
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update(1.0)
        found.append(network.state_dict())
    skipped, whole = found
    for name, value in whole.items():
        assert torch.equal(value, skipped[name])
