"""A program with TNNTest's command line that computes with the reference interpreter.

It stands in for a real TNN where none is built: what is tested with it is how a runner is fed,
read and searched, not TNN. With `spoilt` it doubles the output of one layer, as a faulty kernel.
"""

import sys
from pathlib import Path

PROGRAM = """#!{python}
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
sys.path[:0] = {path!r}
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert options["-dt"] == "NAIVE" and options["-pr"] in ("HIGH", "AUTO")
loaded = load_tnn(Path(options["-mp"]))
spoilt = {spoilt!r}
if spoilt in loaded.weights:
    weights = {{**loaded.weights, spoilt: tuple(2 * one for one in loaded.weights[spoilt])}}
    loaded = replace(loaded, weights=weights)
(blob,) = loaded.network.inputs
values = np.loadtxt(options["-ip"], dtype=np.float32).reshape(blob.shape)
outputs = run_tnn(loaded, {{blob.name: values}})
lines = [str(len(outputs))]
for name, array in outputs.items():
    lines.append(f"{{name}} mat_type: 32 dims: {{array.ndim}} {{' '.join(map(str, array.shape))}}")
for array in outputs.values():
    lines += [f"{{value:.9g}}" for value in array.ravel()]
Path(options["-op"]).write_text("\\n".join(lines) + "\\n")
"""


def write_tnntest(folder: Path, spoilt: str = "") -> Path:
    """Write the program; spoilt names a layer with weights that it computes wrongly."""
    program = folder / "TNNTest"
    root = str(Path(__file__).parents[2])
    program.write_text(PROGRAM.format(python=sys.executable, path=[root], spoilt=spoilt))
    program.chmod(0o755)
    return program
