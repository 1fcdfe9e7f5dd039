"""``python -m eval.segment``: what fused images are worth to a segmenter."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from eval.downstream.command import Kind
from eval.downstream.command import main as run
from eval.downstream.config import SegmentConfig

if TYPE_CHECKING:
    from eval.downstream.study import Study, Task

SETS = """\
MFNet (images/, labels/ and lists) or MSRS (train/
and test/ with vi/, ir/ and labels/ or Segmentation_labels/)"""


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m eval.segment") -> int:
    """Runs the command; returns its exit status."""
    kind = Kind(
        SegmentConfig,
        task="segment",
        prog=prog,
        what="a segmenter",
        sets=SETS,
        programs="SegFormer (transformers)",
        trained=lambda config: f"SegFormer-B0{', bfloat16' if config.bfloat16 else ''}",
        budgets=_budgets,
        versions=_versions,
        made=_made,
        one_size=True,
    )
    return run(argv, kind)


def _budgets(config: SegmentConfig) -> Mapping[str, Any]:
    from eval.downstream.segformer import BUDGETS

    return BUDGETS


def _versions(config: SegmentConfig) -> dict[str, str]:
    from eval.downstream import process
    from eval.downstream.segformer import PACKAGES

    return process.versions(config.python, PACKAGES)


def _made(config: SegmentConfig, study: "Study") -> "Task":
    from tqdm import tqdm

    from eval.downstream import export
    from eval.downstream.segformer import SegFormer
    from fnet_jax.runtime.cores import cores

    labels = export.labels(
        study.scenes.scenes,
        study.scenes.classes,
        study.out / "labels",
        side=study.budget.side,
        progress=partial(tqdm, unit="image", leave=False, disable=None),
    )
    threads = max(1, cores() // config.at_once)
    return SegFormer(labels, config.backbone, threads, bfloat16=config.bfloat16)
