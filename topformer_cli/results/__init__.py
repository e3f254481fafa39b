"""The JSON records that engine and bench write and report reads.

Plain frozen records without numpy or torch, so that a report or `--help` loads nothing heavy.
"""

from topformer_cli.results.bench import (
    BENCH_SCHEMA,
    BenchResult,
    CoreUse,
    CpuFacts,
    DeviceFacts,
    Round,
    Summary,
    Verdict,
)
from topformer_cli.results.classification import ClassificationResult
from topformer_cli.results.detection import DetectionResult
from topformer_cli.results.evaluation import Headline, Result, ResultTable, percent
from topformer_cli.results.segmentation import EvalResult
from topformer_cli.results.training import StepRecord

__all__ = [
    "BENCH_SCHEMA",
    "BenchResult",
    "ClassificationResult",
    "CoreUse",
    "CpuFacts",
    "DetectionResult",
    "DeviceFacts",
    "EvalResult",
    "Headline",
    "Result",
    "ResultTable",
    "Round",
    "StepRecord",
    "Summary",
    "Verdict",
    "percent",
]
