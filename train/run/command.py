"""The command line of both stages, and how commands run a stage."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fnet_jax.artifacts.words import one_line
from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import parse
from train.config import TrainConfig, check

if TYPE_CHECKING:
    from train.run.result import Result

AGAIN = "run the same command to continue"

WHAT = {
    "stage1": """\
Train FNet and IFNet together (stage I, eq. 25): FNet fuses two images, IFNet
recovers both from the fused image, and the loss is their distance to the
sources.""",
    "stage2": """\
Train FNet (stage II, eq. 26), starting from stage I of the same workdir or from
--init. The loss makes fused images keep the brighter pixel, the stronger edge
and the structure of both sources.""",
}

DESCRIPTION = """\
{what}

The command writes config.json, checkpoints/, pictures/, and curves (for
TensorBoard and as metrics.jsonl) to WORKDIR/{stage}. Every other command accepts
one of the checkpoints as --ckpt, or WORKDIR for the newest one. --resume
continues a run that was stopped or killed or has crashed; Ctrl-C and kill -TERM
save a checkpoint first. All devices share each batch.
"""

EXAMPLES = """\
examples:
  {prog} --workdir runs/
  {prog} --workdir runs/ --data msrs --resume
  {prog} --workdir runs/ --batch 4 --crop 64 --steps 300 --lr 3e-4
  {prog} --workdir runs/ --dry-run
  {prog} --workdir runs/ --coordinator 10.0.0.1:1234 --num-processes 2 --process-id 0

exit status: 0 after the last step or kill -TERM, 1 if anything failed, 2 if an
option is wrong, 130 after Ctrl-C
"""


def main(stage: str, argv: Sequence[str] | None = None) -> int:
    """Runs a stage; returns the exit status."""
    description = DESCRIPTION.format(what=WHAT[stage], stage=stage)
    prog = f"python -m train.{stage}"
    config = parse(TrainConfig, argv, prog=prog, description=description, examples=EXAMPLES)
    logs_shown()

    def work() -> int:
        if config.dry_run:
            describe(stage, config)
            return 0
        return status_of(run_stage(stage, config))

    return finish(work, stopped="the checkpoints so far are complete")


def logs_shown() -> None:
    """Shows the log of training, and all warnings, on standard error."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("train").setLevel(logging.INFO)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def describe(stage: str, config: TrainConfig) -> None:
    """Prints the configuration and the costs of a run.

    Raises:
        InputError: the run cannot begin.
    """
    from train.run.dry_run import described  # JAX and Orbax are slow to import: after --help
    from train.run.processes import is_first
    from train.run.stages import STAGES

    for line in described(STAGES[stage], config, report=report):
        if is_first():
            say(line)


def run_stage(stage: str, config: TrainConfig) -> "Result":
    """Trains a stage for a command: with a progress bar, and a checkpoint when asked to stop.

    Raises:
        InputError: it cannot begin or be continued, or something cannot be written.
        KeyboardInterrupt: Ctrl-C before the first step, or a second time.
    """
    import jax  # slow to import: after --help

    from train.run.display import Bar
    from train.run.loop import train
    from train.run.processes import PeerLost, is_first, join
    from train.run.result import Result
    from train.run.stages import STAGES
    from train.run.stopping import Stopping

    check(config)
    join(config)  # JAX takes over SIGTERM here, so it must come before the handlers below
    with Stopping(noted=jax.process_count() > 1) as stopping:
        try:
            result = train(STAGES[stage], config, report=report, stop=stopping, display=Bar())
        except PeerLost as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            os._exit(1)  # a normal exit would wait for the lost process
        except KeyboardInterrupt:
            if stopping.by != "SIGTERM":
                raise
            result = Result.nothing_done(
                config.workdir / stage, wanted=config.steps, stopped_by=stopping.by
            )
    if not is_first():
        return result
    place = f"{result.folder}: step {result.steps:,} of {result.wanted:,}"
    if result.steps > result.began:
        if result.stopped_by:
            report(f"stopped: saved at step {result.steps:,}; use --resume to continue")
        say(f"{place}, saved in {result.checkpoint and result.checkpoint.parent}")
    elif result.finished:
        say(f"{place}, nothing left to do")
    else:
        report("stopped before the first step; there is nothing to save")
    return result


def status_of(result: "Result") -> int:
    """The exit status of a stage: 130 after Ctrl-C, else 0."""
    return 130 if result.stopped_by == "SIGINT" else 0


def report(line: str) -> None:
    """Prints a line on standard error, above the progress bar."""
    from tqdm import tqdm

    tqdm.write(one_line(line), file=sys.stderr)
