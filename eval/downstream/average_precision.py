"""mAP@[.5:.95] of a detector from its written predictions.

``pycocotools``, the reference of the metric, matches the boxes and computes the numbers, with the
same evaluation for every detector: ten thresholds of overlap from 0.5 to 0.95, 101 recalls, at most
100 boxes per image and class.
"""

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from eval.downstream import coco
from eval.downstream.intervals import with_mean
from fnet_jax.errors import InputError

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the intersection over union
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # boxes per image and class


@dataclass(frozen=True)
class Matches:
    """The matches of the boxes of one class.

    Attributes:
        images: int (D,), index of the image of each detection, by decreasing score.
        hits: for each threshold, indices of the detections that matched a box; int (hits,).
        boxes: int (I,), number of true boxes in each image.
    """

    images: np.ndarray
    hits: tuple[np.ndarray, ...]
    boxes: np.ndarray

    def average_precision(self, counts: np.ndarray) -> float:
        """AP of images that count ``counts`` times, int (I,); NaN without a true box.

        It equals that of a set with as many copies. The precision can only be the highest at its
        recall where a box is found, so it is computed only there.
        """
        total = int(counts @ self.boxes)
        if not total:
            return np.nan
        weights = counts[self.images]
        all_found = np.cumsum(weights)
        means = []
        for hits in self.hits:
            if not len(hits):
                means.append(0.0)
                continue
            found = np.cumsum(weights[hits])
            precision = found / (all_found[hits] + np.spacing(1))
            best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
            means.append(best[np.searchsorted(found / total, RECALLS)].mean())
        return float(np.mean(means))


@dataclass(frozen=True)
class Evaluation:
    """The result of a detector on a set of images.

    Attributes:
        classes: their names, K.
        precision: float64 (10, 101, K), highest precision at each recall or more, by threshold,
            recall and class; NaN for classes without a true box.
        matches: matches of each class.
    """

    classes: tuple[str, ...]
    precision: np.ndarray
    matches: tuple[Matches, ...]

    @cached_property
    def ap(self) -> np.ndarray:
        """AP@[.5:.95] of each class, float64 (K,); NaN for classes without a true box."""
        return self.precision.mean(axis=(0, 1))

    @cached_property
    def ap50(self) -> np.ndarray:
        """AP@.5 of each class, float64 (K,)."""
        return self.precision[0].mean(axis=0)

    @property
    def mean(self) -> float:
        """mAP@[.5:.95]: the mean over the classes that have true boxes; NaN if none has."""
        return float(with_mean(self.ap)[-1])

    @property
    def mean50(self) -> float:
        """mAP@.5."""
        return float(with_mean(self.ap50)[-1])

    @property
    def images(self) -> int:
        """Number of test images."""
        return len(self.matches[0].boxes)

    def values(self, counts: np.ndarray | None = None) -> np.ndarray:
        """AP@[.5:.95] of each class, float64 (K,); NaN if no image with a true box counts.

        ``counts`` is how often each image counts, int (images,); None for once.
        """
        if counts is None:
            return self.ap
        return np.array([matches.average_precision(counts) for matches in self.matches])

    def arrays(self) -> dict[str, np.ndarray]:
        """The precision, and the matches of each class, by name."""
        found: dict[str, np.ndarray] = {"precision": self.precision}
        for k, matches in enumerate(self.matches):
            found[f"images{k}"], found[f"boxes{k}"] = matches.images, matches.boxes
            found |= {f"hits{k}_{t}": hits for t, hits in enumerate(matches.hits)}
        return found


def restored(classes: Sequence[str], arrays: Mapping[str, np.ndarray]) -> Evaluation:
    """An evaluation from its arrays; raises KeyError or ValueError if they are of another one."""
    if arrays["precision"].shape != (len(THRESHOLDS), len(RECALLS), len(classes)):
        raise ValueError("it is of other classes")
    matches = (
        Matches(
            arrays[f"images{k}"],
            tuple(arrays[f"hits{k}_{t}"] for t in range(len(THRESHOLDS))),
            arrays[f"boxes{k}"],
        )
        for k in range(len(classes))
    )
    return Evaluation(tuple(classes), arrays["precision"], tuple(matches))


def evaluate(truth: Mapping[str, Any], predictions: Sequence[coco.Entry]) -> Evaluation:
    """Measures the predictions of a detector; an image may have none.

    No box of the truth may be one to ignore (``iscrowd``, ``ignore``).

    Raises:
        InputError: ``pycocotools`` is not installed, or the predictions are not of this truth.
    """
    problem = coco.problem_of(predictions, truth)
    if problem:
        raise InputError(f"predictions: {problem}; let the detector write them again")
    if any(box.get("iscrowd") or box.get("ignore") for box in truth["annotations"]):
        raise InputError("the truth has boxes to be ignored; remove their iscrowd and ignore")
    classes = tuple(c["name"] for c in sorted(truth["categories"], key=lambda c: c["id"]))
    if not truth["images"] or not classes:
        raise InputError("the truth has no image or no class; check the split")
    entries, precision = _of_library(truth, predictions)
    shape = (len(classes), len(truth["images"]))
    rows = np.empty(shape, dtype=object)
    rows.flat[:] = entries
    return Evaluation(
        classes, np.where(precision < 0, np.nan, precision), tuple(map(_matches, rows))
    )


def versions() -> dict[str, str]:
    """The version of what computes the numbers; raises InputError."""
    _library()
    return {"pycocotools": version("pycocotools")}


def _library() -> Any:
    try:
        import pycocotools.coco
        import pycocotools.cocoeval
    except ImportError as error:
        raise InputError(
            f"measuring detectors needs pycocotools; run "
            f"{sys.executable} -m pip install pycocotools"
        ) from error
    return pycocotools


def _of_library(
    truth: Mapping[str, Any], predictions: Sequence[coco.Entry]
) -> tuple[list[dict[str, Any] | None], np.ndarray]:
    """Entries of the library by class and image, and precision (10, 101, K), -1 if undefined."""
    library = _library()
    found = [
        {**x, "id": number, "area": x["bbox"][2] * x["bbox"][3], "iscrowd": 0}
        for number, x in enumerate(predictions, 1)
    ]
    boxes = [dict(box) for box in truth["annotations"]]  # the library adds to them
    with contextlib.redirect_stdout(io.StringIO()):
        both = []
        for annotations in (boxes, found):
            one = library.coco.COCO()
            one.dataset = {**truth, "annotations": annotations}
            one.createIndex()
            both.append(one)
        evaluator = library.cocoeval.COCOeval(*both, "bbox")
        evaluator.params.iouThrs, evaluator.params.recThrs = THRESHOLDS, RECALLS
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluator.params.maxDets = [MOST]
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator.evalImgs, evaluator.eval["precision"][:, :, :, 0, 0]


def _matches(entries: np.ndarray) -> Matches:
    """The matches of one class from the library's entries, one per image or None."""
    there = [(image, entry) for image, entry in enumerate(entries) if entry]
    boxes = np.zeros(len(entries), dtype=int)
    for image, entry in there:
        boxes[image] = len(entry["gtIds"])
    scores = np.concatenate([[], *(entry["dtScores"] for _, entry in there)])
    order = np.argsort(-scores, kind="stable")
    images = np.repeat(
        np.array([image for image, _ in there], dtype=int),
        [len(entry["dtScores"]) for _, entry in there],
    )
    empty = np.zeros((len(THRESHOLDS), 0))
    matched = np.concatenate([empty, *(entry["dtMatches"] for _, entry in there)], axis=1) > 0
    return Matches(images[order], tuple(map(np.flatnonzero, matched[:, order])), boxes)
