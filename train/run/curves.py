"""What a person sees of a run: the progress bar, curves, pictures."""

import datetime
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from fnet_jax import images
from fnet_jax.artifacts.files import replace_text, writable
from fnet_jax.errors import InputError
from fnet_jax.sparse_coding.unrolled import Unrolled
from train.data.batches import unit
from train.run.folder import ELSEWHERE
from train.run.steps import Loss, Metrics, Params

CURVES = "metrics.jsonl"
PICTURES = "pictures"
PAIRS_SHOWN = 4
PANELS = ("I1", "I2", "If", "u1", "u2", "c")
GAP = 4  # white pixels between panels


def validation_course(folder: Path) -> dict[int, float]:
    """The validation loss of a stage by the step, as far as it was measured.

    Args:
        folder: of the stage.

    Raises:
        InputError: the curves of the run cannot be read.
    """
    path = folder / CURVES
    try:
        points = [json.loads(line) for line in path.read_text().splitlines()]
        return {p["step"]: p["validation_loss"] for p in points if "validation_loss" in p}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); it has the validation losses of the run: copy it "
            f"from where the stage ran"
        ) from error


class Curves:
    """Curves as TensorBoard events and as JSON lines, pictures as both and as PNG files."""

    def __init__(self, folder: Path, *, start: int, steps: int, batch: int) -> None:
        """Opens the files of a run; points after ``start``, of a run that was killed, are dropped.

        Args:
            folder: of the stage.
            start: number of steps done.
            steps: number of steps in all.
            batch: pairs per step.

        Raises:
            InputError: a file cannot be written; so do the other methods.
        """
        from tensorboardX import SummaryWriter

        self._folder, self._start, self._steps, self._batch = folder, start, steps, batch
        self._began = time.monotonic()
        self._curves = folder / CURVES
        with writable(folder, remedy=ELSEWHERE):
            _drop_after(self._curves, start)
            self._writer = SummaryWriter(str(folder), purge_step=start + 1)
        self._bar = tqdm(
            total=steps, initial=start, desc=folder.name, unit="step", disable=None, smoothing=0.1
        )

    def step(self, loss: float) -> None:
        """Moves the bar on by one step."""
        self._bar.update()
        rate = self._bar.format_dict["rate"]
        speed = f"{self._batch * rate:.1f}" if rate else "?"
        self._bar.set_postfix_str(f"loss {loss:.4g}, {speed} pairs/s", refresh=False)

    def point(self, step: int, values: Metrics) -> None:
        """Adds a point to each curve.

        Args:
            step: number of steps done.
            values: scalars, or short vectors, whose parts get curves of their own, by name.
        """
        scalars: dict[str, float] = {}
        for name, value in values.items():
            parts = np.asarray(value, np.float64)
            if parts.ndim:
                scalars |= {f"{name}/{k}": float(part) for k, part in enumerate(parts)}
            else:
                scalars[name] = float(parts)
        for name, scalar in scalars.items():
            self._writer.add_scalar(name, scalar, step)
        with writable(self._curves, remedy=ELSEWHERE), self._curves.open("a") as file:
            file.write(json.dumps({"step": step} | scalars) + "\n")

    def picture(self, step: int, grid: np.ndarray) -> None:
        """Keeps a picture, uint8 (H, W)."""
        folder = self._folder / PICTURES
        with writable(folder, remedy=ELSEWHERE):
            folder.mkdir(exist_ok=True)
        images.write(folder / f"{step:08d}.png", grid, overwrite=True)
        self._writer.add_image("I1_I2_If_u1_u2_c", grid, step, dataformats="HW")

    def saved(self, step: int, loss: float) -> None:
        """Says how far the run is, where there is no bar to see it by.

        Args:
            step: number of steps done.
            loss: the validation loss.
        """
        if not self._bar.disable:
            return
        rate = (step - self._start) / (time.monotonic() - self._began)
        left = datetime.timedelta(seconds=round((self._steps - step) / rate)) if rate else "?"
        line = (
            f"step {step:,} of {self._steps:,}: validation loss {loss:.4g}, "
            f"{rate:.3g} steps/s, {self._batch * rate:.3g} pairs/s, {left} left"
        )
        print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the bar and the files."""
        self._bar.close()
        self._writer.close()


def _drop_after(curves: Path, start: int) -> None:
    if not curves.exists():
        return
    kept = []
    for line in curves.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= start:
                kept.append(line + "\n")
        except (ValueError, KeyError):  # cut short when the run was killed
            continue
    replace_text(curves, "".join(kept))


def centre(pair: dict[str, Any], side: int) -> tuple[np.ndarray, np.ndarray]:
    """The middle ``side``×``side`` pixels of I1 and I2 as a batch of one in [0, 1]."""
    height, width = pair["I1"].shape
    y, x = (height - side) // 2, (width - side) // 2
    one, two = (unit(pair[name][y : y + side, x : x + side])[None] for name in ("I1", "I2"))
    return one, two


def validator(
    loss: Loss, fnet: Unrolled, pairs: Sequence[dict[str, Any]], *, crop: int
) -> Callable[..., tuple[Metrics, np.ndarray | None]]:
    """A function that measures parameters on the middle of each validation pair.

    Args:
        loss: of the stage.
        fnet: the network that is shown.
        pairs: the validation pairs.
        crop: side of what is looked at, in pixels.

    Returns:
        ``validate(params, picture=False)``, which gives the mean over the pairs of the loss and of
        its terms, by names that start with ``validation_``, and a picture of the first pairs:
        a row each of I1, I2, If and the energies of u1, u2, c.
    """

    @jax.jit
    def measure(params: Params, I1: jax.Array, I2: jax.Array) -> Metrics:
        _, metrics = loss(params, I1, I2)
        return {n: v for n, v in metrics.items() if n == "loss" or n.startswith("loss/")}

    @jax.jit
    def look(params: Params, I1: jax.Array, I2: jax.Array) -> dict[str, jax.Array]:
        _, found = fnet.apply(params["fnet"], I1, I2)
        energies = {n: jax.numpy.linalg.norm(found[n][0], axis=-1) for n in ("u1", "u2", "c")}
        return {"I1": I1[0, ..., 0], "I2": I2[0, ..., 0], "If": found["If"][0, ..., 0]} | energies

    def validate(params: Params, *, picture: bool = False) -> tuple[Metrics, np.ndarray | None]:
        crops = [centre(pair, crop) for pair in pairs]
        values = [jax.device_get(measure(params, *images)) for images in crops]
        means = {f"validation_{n}": np.mean([v[n] for v in values]) for n in values[0]}
        if not picture:
            return means, None
        shown = [jax.device_get(look(params, *images)) for images in crops[:PAIRS_SHOWN]]
        return means, _grid(shown)

    return validate


def _grid(rows: list[dict[str, np.ndarray]]) -> np.ndarray:
    """A picture, uint8, with a row of six panels for each pair; u1, u2 and c share one scale."""
    lines = []
    for found in rows:
        energies = ("u1", "u2", "c")
        scale = max(float(np.quantile(found[name], 0.995)) for name in energies) or 1.0
        panels = [found[name] / (scale if name in energies else 1) for name in PANELS]
        lines.append(np.hstack([np.pad(p, GAP, constant_values=1) for p in panels]))
    return np.rint(255 * np.clip(np.nan_to_num(np.vstack(lines)), 0, 1)).astype(np.uint8)
