"""From the rounds of a lane to the record of what was measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from topformer_cli.bench.lane import Lane
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.statistics.summary import summarise
from topformer_cli.bench.statistics.verdict import judge
from topformer_cli.results import BenchResult, CoreUse, DeviceFacts, Round


@dataclass(frozen=True, slots=True)
class Setting:
    """What all lanes of a measurement share; complete: whether all of its rounds are there."""

    facts: DeviceFacts
    protocol: Protocol
    started: str
    notes: tuple[str, ...]
    complete: bool


def result_of(lane: Lane, rounds: Sequence[Round], setting: Setting) -> BenchResult:
    """Return the record of a lane, with its rounds as they were judged in the end."""
    plan, runner, facts = lane.entrant.plan, lane.entrant.runner, setting.facts
    emulated = _why_emulated(facts, runner.abi)
    summary = summarise(rounds)
    # An accelerator's work is on no core, so it is not said to have left one.
    core = lane.core if plan.accelerator == "cpu" else CoreUse(asked="any")
    verdict, reasons = judge(
        rounds, summary, core, emulated=emulated is not None, complete=setting.complete
    )
    origin = lane.tells.get("origin")
    return BenchResult(
        model=plan.name,
        card=dict(plan.card),
        files=lane.files,
        engine=runner.module.ENGINE,
        engine_version=str(origin or runner.origin or runner.version),
        runner=runner.facts(origin),
        device=facts,
        precision=plan.precision,
        threads=plan.threads,
        core=lane.core,
        input_shape=plan.inputs.shape,
        output=plan.output,
        covers=runner.module.COVERS.format(after=plan.after),
        protocol=asdict(setting.protocol),
        rounds=tuple(rounds),
        summary=summary,
        verdict=verdict,
        parity=lane.parity_record(),
        started=setting.started,
        accelerator=plan.accelerator,
        context="shell" if facts.kind == "phone" else "process",
        emulated=emulated is not None,
        reasons=reasons,
        set_aside=tuple(lane.set_aside),
        broken=lane.broken,
        layers=lane.layers,
        engine_facts={key: value for key, value in lane.tells.items() if key != "origin"},
        notes=tuple(filter(None, (emulated, *lane.remarks, *setting.notes))),
    )


def _why_emulated(facts: DeviceFacts, abi: str) -> str | None:
    if facts.machine and _family(facts.machine) != _family(abi):
        return (
            f"emulated: the runner is {abi}, the kernel {facts.machine}; "
            "the times are those of the emulator"
        )
    if facts.virtual:
        return "emulated: the device presents itself as an Android emulator"
    return None


def _family(machine: str) -> str:
    return "arm" if machine.lower().startswith(("arm", "aarch64")) else "x86"
