"""Every option of every command, frozen: a new flag is a decision, and shows up here."""

import importlib
from collections.abc import Iterator

import click

from topformer_cli.cli import COMMANDS

OPTIONS = {
    "demo": ("--size --seed --work-dir --cache-dir --json -q/--quiet -v/--verbose"),
    "data list": ("--cache-dir --json -q/--quiet -v/--verbose"),
    "data fetch": (
        "NAME --accept-terms --from --mirror --no-prepare --keep-raw --unverified --allow-partial "
        "--dry-run --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "data prepare": (
        "NAME --source --images --masks --classes --ignore --coco --coco-val --val-fraction "
        "--title --terms --allow-partial --force --workers --cache-dir --json -q/--quiet "
        "-v/--verbose"
    ),
    "data info": ("NAME --sort --top --cache-dir --json -q/--quiet -v/--verbose"),
    "data check": (
        "NAME --source --images --masks --classes --ignore --coco --coco-val --allow-partial "
        "--fix --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "data show": (
        "NAME --split --count --seed --ids --class --columns --output/-o --cache-dir "
        "-q/--quiet -v/--verbose"
    ),
    "train": (
        "RECIPE --size --preset -o --device --weights --partial-weights --reset-head --resume "
        "--workers "
        "--nproc --keep --skip-corrupt "
        "--tensorboard --dry-run --profile --work-dir --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "eval": (
        "TARGET --size --weights --partial-weights --dataset --split --protocol --scales --flip "
        "--window --stride --fit --against --phone --runner --images --predictions --annotations "
        "--recipe --ids --sort --output --fail-under --device --work-dir --cache-dir --json "
        "-q/--quiet -v/--verbose"
    ),
    "segment": (
        "FILES -o/--output --model --size --weights --partial-weights --labels --window --stride "
        "--device --work-dir --json -q/--quiet -v/--verbose"
    ),
    "detect": (
        "FILES -o/--output --model --size --weights --partial-weights --score --iou --classes "
        "--results --device --work-dir --json -q/--quiet -v/--verbose"
    ),
    "export": (
        "TARGET --size --weights --partial-weights --from --format --input --output --input-type "
        "--precision --rescale --explain --no-rewrite --converter --tnn-home --images --bundle "
        "--output-dir --work-dir --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "verify": (
        "TARGET --size --weights --partial-weights --images --fp16 --device/-s --runner "
        "--runner-device --emulator --work-dir --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "bench": (
        "TARGETS --size --weights --partial-weights --device/-s --engine --accelerator "
        "--runner --emulator --precision --threads --core --mask --warmup --warmup-seconds "
        "--rounds --iterations --seconds --cool-seconds --mlperf --sustained "
        "--retry-throttled --reproduce-paper --parity/--no-parity --per-layer --keep-awake "
        "--fixed-performance --clean --strict --csv --plot --share --compare --fail-over "
        "--work-dir --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "sweep": (
        "--sizes --inputs --engines --budget-ms --eval/--no-eval --fresh --device/-s "
        "--accelerator --runner --emulator --precision --threads --core --mask --warmup "
        "--warmup-seconds --rounds --iterations --seconds --cool-seconds --mlperf --sustained "
        "--retry-throttled --reproduce-paper --parity/--no-parity --per-layer --keep-awake "
        "--fixed-performance --work-dir --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "runner build": (
        "--tnn-home --ndk --cxx --abi --output --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "runner check": ("FILE --json -q/--quiet -v/--verbose"),
    "runner list": ("--cache-dir --json -q/--quiet -v/--verbose"),
    "runner fetch": (
        "NAME --version --from --url --again --cache-dir --json -q/--quiet -v/--verbose"
    ),
    "weights list": ("--cache-dir --json -q/--quiet -v/--verbose"),
    "weights fetch": ("NAME --from --url --unverified --cache-dir --json -q/--quiet -v/--verbose"),
    "weights convert": ("FILE TARGET --cache-dir --json -q/--quiet -v/--verbose"),
    "weights info": ("FILE --size --cache-dir --json -q/--quiet -v/--verbose"),
    "info": (
        "TARGET --size --preset -o --input --diff --table --work-dir --cache-dir --json "
        "-q/--quiet -v/--verbose"
    ),
    "report": ("RUNS -o/--output --status --work-dir --json -q/--quiet -v/--verbose"),
    "doctor": ("--cache-dir --json -q/--quiet -v/--verbose"),
}


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, (place, _) in COMMANDS.items():
        command: click.Command = importlib.import_module(place).command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", one) for sub, one in command.commands.items())
        else:
            yield name, command


def words(command: click.Command) -> str:
    """Return arguments in capitals and options by all their names, in order of declaration."""
    return " ".join(
        "/".join([*one.opts, *one.secondary_opts]) if isinstance(one, click.Option)
        else (one.name or "").upper()
        for one in command.params
    )  # fmt: skip


def test_options_are_the_agreed_ones() -> None:
    assert {name: words(command) for name, command in commands()} == OPTIONS


def test_options_are_kebab_case_and_explained() -> None:
    for name, command in commands():
        for one in command.params:
            if isinstance(one, click.Option):
                assert all(word == word.lower() and "_" not in word for word in one.opts), name
                assert one.help or one.show_default or one.metavar, (name, one.name)


def test_what_needs_an_answer_from_a_program_has_json() -> None:
    without = {name for name, command in commands() if "--json" not in words(command)}
    assert without <= {"data show"}


def test_every_command_can_be_quiet_and_verbose() -> None:
    assert {name for name, command in commands() if "-q/--quiet" not in words(command)} == set()
