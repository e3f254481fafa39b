"""The JSON records that engine and bench write and report reads.

Plain frozen records without numpy or torch, so that a report or `--help` loads nothing heavy.
"""

from topformer_cli.results.bench import (
    BENCH_SCHEMA,
    BenchResult,
    BenchSession,
    CoreUse,
    LayerTime,
    Ratio,
    Reading,
    Residency,
    Round,
    RunnerFacts,
    Summary,
    Verdict,
)
from topformer_cli.results.classification import ClassificationResult
from topformer_cli.results.detection import DetectionResult, PredictionsResult
from topformer_cli.results.device import Battery, CpuFacts, DeviceFacts, ThermalZone
from topformer_cli.results.evaluation import Headline, Result, ResultTable, percent
from topformer_cli.results.rehearsal import (
    DiskNeed,
    MemoryNeed,
    OperatorTime,
    SpeedFound,
    StepProfile,
    TimePart,
    TrainingPlan,
)
from topformer_cli.results.segmentation import (
    EvalResult,
    ImageScore,
    LabelMapsResult,
    LabelScores,
)
from topformer_cli.results.sweep import SweepPoint
from topformer_cli.results.training import StepRecord

__all__ = [
    "BENCH_SCHEMA",
    "Battery",
    "BenchResult",
    "BenchSession",
    "ClassificationResult",
    "CoreUse",
    "CpuFacts",
    "DetectionResult",
    "DeviceFacts",
    "DiskNeed",
    "EvalResult",
    "Headline",
    "ImageScore",
    "LabelMapsResult",
    "LabelScores",
    "LayerTime",
    "MemoryNeed",
    "OperatorTime",
    "PredictionsResult",
    "Ratio",
    "Reading",
    "Residency",
    "Result",
    "ResultTable",
    "Round",
    "RunnerFacts",
    "SpeedFound",
    "StepProfile",
    "StepRecord",
    "Summary",
    "SweepPoint",
    "ThermalZone",
    "TimePart",
    "TrainingPlan",
    "Verdict",
    "percent",
]
