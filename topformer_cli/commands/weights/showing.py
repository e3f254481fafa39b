"""How a weights file is described."""

from typing import TYPE_CHECKING

from topformer_cli import console

if TYPE_CHECKING:
    from topformer_cli.api.weights import WeightsFacts


def show(facts: "WeightsFacts") -> None:
    """Write what a file is, a line a fact."""
    spec, origin = facts.spec, facts.origin
    fuse = f", fuse convolution {spec.fuse}" if spec.fuse else ""
    height, width = spec.input_size
    pairs = [
        ("file", str(facts.path)),
        ("network", f"{spec.network}, {facts.parameters:,} parameters{fuse}"),
        ("task", f"{spec.task}, {len(spec.classes)} classes ({spec.dataset})"),
        ("tensors", facts.report),
        ("input", f"{height}x{width} RGB, minus {_three(spec.mean)}, by {_three(spec.std)}"),
        ("begins", ", ".join(facts.begins)),
        ("from", _origin(facts)),
        ("score", str(origin.get("scored", ""))),
        ("licence", str(origin.get("licence", ""))),
        ("data", spec.data_terms),
        ("SHA-256", facts.sha256),
    ]
    console.facts([(label, text) for label, text in pairs if text])
    if not facts.complete:
        console.warn("it does not fill its network; only --partial-weights takes it")


def _three(values: tuple[float, float, float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _origin(facts: "WeightsFacts") -> str:
    """Say where weights come from, as far as the file tells."""
    origin = facts.origin
    if "recipe" in origin:
        return "a run of topformer's own" + (f", step {origin['step']}" if "step" in origin else "")
    file = str(origin.get("file", facts.path.name))
    form = f" ({origin['form']})" if "form" in origin else ""
    if "name" in origin:
        return f"{origin.get('publisher')}: {origin.get('title')}, {file}{form}"
    if "from" in origin:
        return f"{origin['from']}, {file}{form}"
    may = f"; by its tensors it may be {', '.join(facts.fits)}" if facts.fits else ""
    return f"{file}{form}{may}"
