"""A program with TNNTest's command line that computes with the reference interpreter.

It stands in for a real TNN where none is built: what is tested with it is how a runner is fed,
read and searched, not TNN. It hands its command line to the test's own process, which has the
interpreter loaded. With `spoilt` it doubles the output of one layer, as a faulty kernel.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np

from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn

PROGRAM = """#!{python}
import os
import sys
from multiprocessing.connection import Client

with Client({address!r}) as test:
    test.send((os.getcwd(), sys.argv[1:]))
    sys.exit(test.recv())
"""


class TnnTest:
    """The program at a path; spoilt names a layer with weights that it computes wrongly."""

    def __init__(self, folder: Path, address: str) -> None:
        self.path = folder / "TNNTest"
        self.spoilt = ""
        self.path.write_text(PROGRAM.format(python=sys.executable, address=address))
        self.path.chmod(0o755)

    def run(self, folder: Path, words: list[str]) -> None:
        """Do what a command line asks for that was given in a folder."""
        options = dict(zip(words[::2], words[1::2], strict=True))
        assert options["-dt"] == "NAIVE"
        assert options["-pr"] in ("HIGH", "AUTO")
        loaded = load_tnn(folder / options["-mp"])
        if self.spoilt in loaded.weights:
            twice = tuple(2 * one for one in loaded.weights[self.spoilt])
            loaded = replace(loaded, weights={**loaded.weights, self.spoilt: twice})
        (blob,) = loaded.network.inputs
        values = np.loadtxt(folder / options["-ip"], dtype=np.float32).reshape(blob.shape)
        outputs = run_tnn(loaded, {blob.name: values})
        lines = [str(len(outputs))]
        for name, array in outputs.items():
            sides = " ".join(map(str, array.shape))
            lines.append(f"{name} mat_type: 32 dims: {array.ndim} {sides}")
        for array in outputs.values():
            lines += [f"{value:.9g}" for value in array.ravel()]
        (folder / options["-op"]).write_text("\n".join(lines) + "\n")


@contextmanager
def tnntest(folder: Path) -> Iterator[TnnTest]:
    """Provide the program inside the block."""
    with Listener() as listener:
        program = TnnTest(folder, str(listener.address))

        def serve() -> None:
            while True:
                with listener.accept() as caller:
                    called = caller.recv()
                    if called is None:
                        return
                    try:
                        program.run(Path(called[0]), called[1])
                    except Exception as error:  # noqa: BLE001 - what the program says as it fails
                        caller.send(f"{type(error).__name__}: {error}")
                    else:
                        caller.send(0)

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield program
        finally:
            with Client(listener.address) as last:
                last.send(None)
            server.join()
