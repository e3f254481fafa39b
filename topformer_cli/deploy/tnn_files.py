"""TNN's two files: written, proved, and brought to the precision that was asked for."""

from dataclasses import replace
from pathlib import Path

from topformer_cli.deploy.bisect import Expected, interpreted
from topformer_cli.deploy.manifest import ParityRecord
from topformer_cli.deploy.onnx_graph import graph_inputs
from topformer_cli.deploy.tnn.convert import blob_names
from topformer_cli.deploy.tnn.interpreter import load_tnn, model_path, named_inputs
from topformer_cli.deploy.tnn.model import read_model
from topformer_cli.deploy.tnn.precision.half import check_half
from topformer_cli.deploy.tnn.precision.half_storage import store_half
from topformer_cli.deploy.tnn.precision.rescale import rescale_files
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.deploy.tnn.write import TnnChoices, TnnWritten, write_pair, write_tnn
from topformer_cli.deploy.verify import Proof, prove
from topformer_cli.errors import ParityError
from topformer_cli.parity import HALF_TOLERANCE


def make_tnn(stem: Path, choices: TnnChoices, proof: Proof) -> tuple[TnnWritten, ParityRecord]:
    """Write `<stem>.tnnproto` and `.tnnmodel` from `<stem>.onnx` and prove them, step by step.

    Raises:
        ExportError: the graph cannot be written as TNN.
        ParityError: the files do not compute the same; names the first layer that departs.
    """
    written = write_tnn(stem, choices, proof.tolerance)
    proto = stem.with_name(f"{stem.name}.tnnproto")
    try:
        parity = prove("tnn", proto, proof)
    except ParityError as error:
        message = f"{error}{_where(written, proto, proof)}"
        raise ParityError(message) from error
    notes: list[str] = []
    if choices.rescale:
        notes += _rescale(proto, proof)
        parity = prove("tnn", proto, proof)
    if choices.storage == "fp16":
        notes += _halve(proto)
        parity = prove("tnn", proto, proof.loosened(HALF_TOLERANCE))
    return replace(written, notes=tuple(notes)), parity


def _where(written: TnnWritten, proto: Path, proof: Proof) -> str:
    """Say which layer departs first, where the graph is at hand that the files were made from."""
    if written.model is None:
        return ""
    sample = proof.samples[0]
    names = [str(value.name) for value in graph_inputs(written.model.graph)]
    expected = Expected.of_graph(
        written.model, blob_names(written.model), dict(zip(names, sample, strict=True))
    )
    loaded = load_tnn(proto)
    blobs = interpreted(loaded, named_inputs(loaded, sample))
    departure = expected.first_departure(loaded.network, blobs, proof.tolerance)
    return f"; {departure}" if departure else ""


def _rescale(proto: Path, proof: Proof) -> tuple[str, ...]:
    """Scale what overflows half precision on the samples, in place."""
    report = check_half(load_tnn(proto), proof.samples)
    rescaled = rescale_files(proto, report.largest)
    if rescaled.changed:
        write_pair(proto, rescaled.network, rescaled.resources)
    return rescaled.explanation or ("rescale: every value fits half precision as it is",)


def _halve(proto: Path) -> tuple[str, ...]:
    """Store the weights in half precision, in place."""
    network = read_proto(proto)
    stored = store_half(read_model(model_path(proto), network))
    write_pair(proto, network, stored.resources)
    kept = [f"weights of {one.layer} stay in fp32 (up to {one.largest:.3g})" for one in stored.kept]
    lost = [f"{count} weights of {name} became 0" for name, count in stored.vanished.items()]
    return (*kept, *lost)
