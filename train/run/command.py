"""The command line of both stages."""

import logging
import os
from collections.abc import Sequence

from fnet_jax.cli.console import finish
from fnet_jax.cli.flags import parse
from train.config import TrainConfig

WHAT = {
    "stage1": """\
Train FNet and IFNet together (stage I, eq. 25): FNet fuses two images, IFNet gets both back from
the fused one, and the loss is how far they are from the sources.""",
    "stage2": """\
Train FNet (stage II, eq. 26), from what stage I of the same workdir found or from --init: fused
images keep the brighter pixel, the stronger edge and the structure of both sources.""",
}

DESCRIPTION = """\
{what}

The folder WORKDIR/{stage} gets config.json, checkpoints/, curves for TensorBoard and in
metrics.jsonl, and pictures/. Every other command takes as --ckpt one of the checkpoints, or WORKDIR
for the newest. A run that was stopped, killed or has crashed goes on with --resume; kill -TERM and
Ctrl-C save first. All devices share each batch.
"""

EXAMPLES = """\
examples:
  {prog} --workdir runs/
  {prog} --workdir runs/ --data msrs --resume
  {prog} --workdir runs/ --batch 4 --crop 64 --steps 300 --lr 3e-4
  {prog} --workdir runs/ --dry-run
  {prog} --workdir runs/ --coordinator 10.0.0.1:1234 --num-processes 2 --process-id 0

Without --data, it trains on MSRS if that has been prepared (python -m train.prepare --help), else
on synthetic scenes. The exit status is 0 at the last step and after kill -TERM, 1 if anything
failed, 2 if an option is wrong, 130 after Ctrl-C.
"""


def main(stage: str, argv: Sequence[str] | None = None) -> int:
    """Runs a stage; returns the exit status."""
    prog = f"python -m train.{stage}"
    config = parse(
        TrainConfig,
        argv,
        prog=prog,
        description=DESCRIPTION.format(what=WHAT[stage], stage=stage),
        epilog=EXAMPLES.format(prog=prog),
    )
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("train").setLevel(logging.INFO)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

    def work() -> int:
        from train.run.loop import train  # JAX and Orbax are slow to import: after --help
        from train.run.stages import STAGES

        return train(STAGES[stage], config)

    return finish(work, stopped="the checkpoints that are there are whole")
