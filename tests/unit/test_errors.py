"""Every error class has its exit code, and the tree in the docstring shows it."""

import click
import pytest

from topformer_cli import cli, errors
from topformer_cli.errors import (
    ExportError,
    MeasurementError,
    Stopped,
    TopformerError,
    exit_code_of,
)

CODES = {
    "TopformerError": 1,
    "LostProcessError": 1,
    "UsageError": 2,
    "RecipeError": 2,
    "DataError": 3,
    "ExportError": 4,
    "ParityError": 4,
    "DeviceError": 5,
    "MeasurementError": 6,
    "ThresholdError": 7,
}


def classes() -> dict[str, type[TopformerError]]:
    return {
        name: item
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, TopformerError)
    }


@pytest.mark.parametrize("name", CODES)
def test_exit_codes(name: str) -> None:
    assert exit_code_of(classes()[name]("text")) == CODES[name]


def test_no_class_is_without_a_code_here() -> None:
    assert set(classes()) == {*CODES, "Stopped"}


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_signals_end_as_shells_expect(number: int, code: int) -> None:
    assert exit_code_of(Stopped("saved", number)) == code


def test_the_drawn_tree_is_true() -> None:
    assert errors.__doc__
    for name, code in CODES.items():
        line = next(line for line in errors.__doc__.splitlines() if f" {name} " in line)
        assert line.split(name)[1].split()[0] == str(code)


def test_a_measurement_may_carry_what_was_complete() -> None:
    assert MeasurementError("crashed").partial is None


@pytest.mark.parametrize(("stop", "code"), [(SystemExit(143), 143), (KeyboardInterrupt(), 130)])
@pytest.mark.parametrize("kind", [ExportError, AttributeError])
def test_a_stop_that_a_library_turned_into_its_error_stays_a_stop(
    monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int, kind: type[Exception]
) -> None:
    @click.command()
    def stopped() -> None:
        try:
            try:
                raise stop
            finally:
                {}["missing"]
        except KeyError as error:
            message = "torch cannot export"
            raise kind(message) from error

    monkeypatch.setattr(cli.CommandTable, "get_command", lambda *_: stopped)
    assert cli.run(["stopped"]) == code
