"""FCOS of torchvision as a separate program; see :mod:`training`.

A ResNet-18 with a feature pyramid, small enough for a CPU. In addition to the common fields, the
job has the boxes of each training scene, ``[class, x1, y1, x2, y2]`` in pixels, and the numbers of
the test scenes. The program writes ``predictions.json``, in COCO's format.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torchvision
from torchvision.models import resnet18
from torchvision.models.detection import FCOS
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes
from training import Job, Kind, Loss, main, read, replace

LAYERS = {"layer2": "0", "layer3": "1", "layer4": "2"}  # of the ResNet, at strides 8, 16, 32
CHANNELS = 128, 256, 512  # of these layers
WIDTH = 64  # channels of the pyramid and of the heads
MEAN, SPREAD = 0.5, 0.25  # of values in 0…1, the same for all kinds of images
SEEN = {"score_thresh": 0.001, "detections_per_img": 300}  # the same as for YOLOv5
MOMENTUM, DECAY = 0.9, 5e-4
AT_ONCE = 16  # images per batch of predictions
READERS = 4


def made(job: Job) -> torch.nn.Module:
    """FCOS with random weights."""
    pyramid = BackboneWithFPN(
        resnet18(weights=None),
        LAYERS,
        list(CHANNELS),
        WIDTH,
        extra_blocks=LastLevelP6P7(WIDTH, WIDTH),
        norm_layer=torch.nn.BatchNorm2d,
    )
    side = job["side"] or 640
    return FCOS(
        pyramid,
        num_classes=job["classes"],
        min_size=side,
        max_size=side,
        image_mean=[MEAN] * 3,
        image_std=[SPREAD] * 3,
        **SEEN,
    )


def optimizer(parameters: Iterable[torch.nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """The optimizer of the paper's detector."""
    return torch.optim.SGD(
        parameters, lr=rate, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
    )


def loss_of(job: Job, device: str) -> Loss:
    """The sum of FCOS's three losses on some scenes."""
    readers = ThreadPoolExecutor(READERS)
    varied = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomZoomOut(fill=255 * MEAN, side_range=(1, 2)),
            v2.RandomIoUCrop(),
            v2.SanitizeBoundingBoxes(min_size=2),
        ]
    )

    def load(name: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        image = torch.from_numpy(read(Path(job["images"]), name, "RGB")).permute(2, 0, 1)
        rows = torch.tensor(job["boxes"][name], dtype=torch.float32).reshape(-1, 5)
        corners = BoundingBoxes(rows[:, 1:], format="XYXY", canvas_size=image.shape[1:])
        return image, {"boxes": corners, "labels": rows[:, 0].long()}

    def loss(model: torch.nn.Module, chosen: np.ndarray, dice: np.random.Generator) -> torch.Tensor:
        names = [job["train"][k] for k in chosen]
        batch = [varied(*scene) for scene in readers.map(load, names)]
        images = [image.to(device).float() / 255 for image, _ in batch]
        truth = [
            {
                "boxes": x["boxes"].as_subclass(torch.Tensor).to(device),
                "labels": x["labels"].to(device),
            }
            for _, x in batch
        ]
        return sum(model(images, truth).values(), torch.zeros((), device=device))

    return loss


@torch.no_grad()
def predict(model: torch.nn.Module, job: Job, images: Path, folder: Path, device: str) -> None:
    """Writes the predicted boxes of the test scenes."""
    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    names, rows = job["test"], []
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        batch = [torch.from_numpy(read(images, name, "RGB")).to(device) for name in some]
        found = model([image.permute(2, 0, 1).float() / 255 for image in batch])
        for name, seen in zip(some, found, strict=True):
            columns = (seen[key].tolist() for key in ("boxes", "scores", "labels"))
            rows += [
                {
                    "image_id": job["numbers"][name],
                    "category_id": number + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                }
                for (x1, y1, x2, y2), score, number in zip(*columns, strict=True)
            ]
    replace(folder / "predictions.json", json.dumps(rows).encode())


if __name__ == "__main__":
    main(Kind(("torchvision", torchvision.__version__), made, optimizer, loss_of, predict))
