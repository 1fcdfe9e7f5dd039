"""SegFormer-B0 of transformers as a separate program; see :mod:`training`.

In addition to the common fields, the job has the class images, the initial weights (a folder or a
name), whether rare classes have more weight, and whether training multiplies in bfloat16. The
program writes class images into ``predictions/``.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn.functional import cross_entropy, interpolate, pad
from training import Job, Kind, Loss, main, read
from transformers import SegformerConfig, SegformerForSemanticSegmentation

MEAN, SPREAD = 0.5, 0.25  # of values in 0…1, the same for all kinds of images
IGNORED = 255
SCALES = 0.5, 2.0  # of the images in training
DECAY = 0.01
AT_ONCE = 16  # images per batch of predictions


def made(job: Job) -> torch.nn.Module:
    """SegFormer-B0 with random weights, or the model and weights of a folder or name."""
    classes = job["classes"]
    if job.get("weights"):
        return SegformerForSemanticSegmentation.from_pretrained(
            job["weights"], num_labels=classes, ignore_mismatched_sizes=True
        )
    return SegformerForSemanticSegmentation(SegformerConfig(num_labels=classes))


def optimizer(parameters: Iterable[torch.nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """The optimizer of the paper."""
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=DECAY)


def loss_of(job: Job, device: str) -> Loss:
    """The cross entropy on some scenes."""
    images = np.stack([read(Path(job["images"]), name, "RGB") for name in job["train"]])
    labels = np.stack([read(Path(job["labels"]), name, "L") for name in job["train"]])
    weights = balance(labels, job["classes"]).to(device) if job.get("balanced") else None

    def loss(model: torch.nn.Module, chosen: np.ndarray, dice: np.random.Generator) -> torch.Tensor:
        x, y = varied(images[chosen], labels[chosen], dice, device)
        with torch.autocast(device, torch.bfloat16, enabled=job.get("bfloat16", False)):
            found = logits(model, x)
        return cross_entropy(found, y, weights, ignore_index=IGNORED)

    return loss


def balance(labels: np.ndarray, classes: int) -> torch.Tensor:
    """Weights of the classes by their share p of all pixels, 1 / log(1.02 + p), as in ENet.

    Without them, a short training predicts "unlabelled" everywhere.
    """
    counts = np.bincount(labels[labels < classes], minlength=classes)
    return torch.from_numpy(1 / np.log(1.02 + counts / max(counts.sum(), 1))).float()


def logits(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Scores of the classes at each pixel, (N, classes, H, W)."""
    found = model(pixel_values=x).logits.float()
    return interpolate(found, size=x.shape[-2:], mode="bilinear", align_corners=False)


def varied(
    images: np.ndarray, labels: np.ndarray, dice: np.random.Generator, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch, mirrored at random, scaled by one factor, and cropped or padded to its size."""
    x, y = normal(images, device), torch.from_numpy(labels).to(device).long()
    mirrored = torch.from_numpy(dice.random(len(images)) < 0.5).to(device)
    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    y = torch.where(mirrored[:, None, None], y.flip(2), y)
    height, width = y.shape[1:]
    scale = float(np.exp(dice.uniform(*np.log(SCALES))))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    x = interpolate(x, size=size, mode="bilinear", align_corners=False)
    y = interpolate(y[:, None].float(), size=size, mode="nearest")[:, 0].long()
    top, left = (
        int(dice.integers(0, max(new - old, 0) + 1))
        for new, old in zip(size, (height, width), strict=True)
    )
    x, y = (part[..., top : top + height, left : left + width] for part in (x, y))
    missing = (0, width - y.shape[2], 0, height - y.shape[1])
    return pad(x, missing), pad(y, missing, value=IGNORED)


@torch.no_grad()
def predict(model: torch.nn.Module, job: Job, images: Path, folder: Path, device: str) -> None:
    """Writes the class image of each test scene."""
    model.eval()
    out, names = folder / "predictions", job["test"]
    out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        batch = np.stack([read(images, name, "RGB") for name in some])
        classes = logits(model, normal(batch, device)).argmax(1).to(torch.uint8).cpu().numpy()
        for name, found in zip(some, classes, strict=True):
            Image.fromarray(found).save(out / f".{name}.png.part", "PNG")
            (out / f".{name}.png.part").replace(out / f"{name}.png")


def normal(images: np.ndarray, device: str) -> torch.Tensor:
    """uint8 (N, H, W, 3) as (N, 3, H, W), with a spread of about 1."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    return (x - MEAN) / SPREAD


if __name__ == "__main__":
    main(Kind(("transformers", transformers.__version__), made, optimizer, loss_of, predict))
