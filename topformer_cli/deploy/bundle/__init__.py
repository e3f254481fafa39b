"""A folder to build an app from: the model, its card, its code on the phone, and a golden.

DIR/
  MODEL_CARD.md  labels.txt  palette.csv  palette.json
  model/   the files of the export and their manifest
  golden/  one picture with what every step makes of it
  cpp/     topformer.hpp, model_constants.hpp, golden_test.cpp, tnn_example.cpp
  kotlin/  TopFormer.kt, ModelConstants.kt, GoldenTest.kt
  bundle.json  every file with its SHA-256, written last
"""

from topformer_cli.deploy.bundle.records import Figures, Sample
from topformer_cli.deploy.bundle.replace import refuse_strangers
from topformer_cli.deploy.bundle.write import write_bundle

__all__ = ["Figures", "Sample", "refuse_strangers", "write_bundle"]
