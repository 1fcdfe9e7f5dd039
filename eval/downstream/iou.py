"""Intersection over union of class images, from confusion matrices that can be added."""

import numpy as np

IGNORED = 255


def confusion(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) was predicted as which (column), int64 (classes, classes).

    Args:
        truth: uint8 class image; pixels of 255 do not count.
        found: uint8 class image of the same shape.
        classes: number of classes.

    Raises:
        ValueError: the shapes differ, or a class is out of range.
    """
    if truth.shape != found.shape:
        raise ValueError(f"the class images have shapes {truth.shape} and {found.shape}")
    counts = truth != IGNORED
    truth, found = truth[counts].astype(np.int64), found[counts].astype(np.int64)
    if max(truth.max(initial=0), found.max(initial=0)) >= classes:
        raise ValueError(f"it has a class beyond {classes - 1}")
    pairs = np.bincount(truth * classes + found, minlength=classes**2)
    return pairs.reshape(classes, classes)


def iou(confusions: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, float64 (…, classes), of matrices (…, C, C).

    NaN for a class that the truth does not have: predicting it nowhere would be no merit.
    """
    confusions = np.asarray(confusions, np.float64)
    true, found = confusions.sum(axis=-1), confusions.sum(axis=-2)
    both = np.diagonal(confusions, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(true > 0, both / (true + found - both), np.nan)


def mean(values: np.ndarray) -> np.ndarray:
    """The mean over the classes that the truth has, (…)."""
    with np.errstate(invalid="ignore"):
        return np.nanmean(values, axis=-1)
