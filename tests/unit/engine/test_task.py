"""A network is measured only on a set whose ids mean the same classes."""

from dataclasses import replace

import pytest

from tests.unit.engine.conftest import make_job
from topformer_cli.data.card import DatasetCard
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.task import evaluation_notes, require_classes
from topformer_cli.engine.tasks import model_spec
from topformer_cli.errors import DataError
from topformer_cli.models.spec import UNKNOWN, ModelSpec, unnamed_classes


@pytest.fixture
def card(prepared: PreparedSet) -> DatasetCard:
    return prepared.card


@pytest.fixture
def spec(prepared: PreparedSet) -> ModelSpec:
    return model_spec(make_job(prepared).recipe, prepared.card)


def with_classes(card: DatasetCard, *classes: str, codes: tuple[str, ...] = ()) -> DatasetCard:
    assert len(classes) == len(card.classes)
    return card.model_copy(update={"name": "another", "classes": classes, "codes": codes})


def test_another_order_is_refused(spec: ModelSpec, card: DatasetCard) -> None:
    first, second, *rest = card.classes
    with pytest.raises(DataError) as caught:
        require_classes(spec, with_classes(card, second, first, *rest))
    assert str(caught.value) == (
        f"the set another has the model's classes in another order: 2 of 7 ids differ (0 is "
        f"{first!r} in the model and {second!r} in the set, 1 is {second!r} in the model and "
        f"{first!r} in the set); prepare the set with the model's classes in their order, or "
        f"evaluate the model on the set it was trained on ({spec.dataset})"
    )


def test_other_classes_are_refused(spec: ModelSpec, card: DatasetCard) -> None:
    others = (*card.classes[:4], "a", "b", "c")
    with pytest.raises(DataError, match=r"other classes than the model: 3 of 7 ids .*, \.\.\.\)"):
        require_classes(spec, with_classes(card, *others))


def test_another_spelling_is_the_same_class(spec: ModelSpec, card: DatasetCard) -> None:
    spelt = [f" {name.upper().replace(' ', '-')}_" for name in card.classes]
    require_classes(spec, with_classes(card, *spelt))
    with pytest.raises(DataError, match="in another order: 7 of 7"):
        require_classes(spec, with_classes(card, *spelt[1:], spelt[0]))


def test_names_that_only_signs_tell_apart_stay_apart(spec: ModelSpec, card: DatasetCard) -> None:
    rest = card.classes[2:]
    named = replace(spec, classes=("C", "C++", *rest))
    require_classes(named, with_classes(card, "C", "C++", *rest))
    with pytest.raises(DataError, match="in another order: 2 of 7"):
        require_classes(named, with_classes(card, "C++", "C", *rest))


def test_codes_stand_for_names(spec: ModelSpec, card: DatasetCard) -> None:
    codes = tuple(f"n{index:08}" for index in range(7))
    require_classes(replace(spec, codes=codes), with_classes(card, *codes))
    require_classes(replace(spec, classes=codes), with_classes(card, *card.classes, codes=codes))
    with pytest.raises(DataError, match="7 of 7"):
        require_classes(replace(spec, codes=codes[::-1]), with_classes(card, *codes[1:], "n"))


def test_classes_without_names_are_taken_as_they_come(spec: ModelSpec, card: DatasetCard) -> None:
    unnamed = replace(spec, dataset=UNKNOWN, classes=unnamed_classes(7))
    require_classes(unnamed, card)
    assert evaluation_notes(unnamed, card) == (
        "the model's classes have no names; taken in the set's order",
    )
    assert evaluation_notes(spec, card) == ()
    with pytest.raises(DataError, match="other classes"):
        require_classes(replace(unnamed, dataset="mine"), card)
