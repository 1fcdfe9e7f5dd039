"""SegFormer as a program of its own: ``python segformer.py JOB.json`` trains and applies one.

It needs PyTorch, transformers, NumPy and Pillow, and nothing of this project, so that they can live
in an environment of their own. The job names images and labels (NAME.png), the scenes that train
and test, classes, budget, seed and folder. The model starts from random weights, or from those of
``weights``. After each epoch the whole state is saved, and the same call goes on from there, on a
CPU with the same result. A line of JSON on standard output states each epoch. At the end
``predictions/`` has the class images of the test scenes, and ``done.json`` what made them.

With ``apply``, a trained model is only applied to other images.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn.functional import cross_entropy, interpolate
from transformers import SegformerConfig, SegformerForSemanticSegmentation

MEAN, SPREAD = 0.5, 0.25  # of values in 0…1, for all kinds of images alike
IGNORED = 255
SCALES = 0.5, 2.0  # of the images in training
WARMUP = 0.05  # share of the steps in which the learning rate rises; then it falls to 0
DECAY = 0.01
AT_ONCE = 16  # images that a trained model is applied to


def main(job: dict[str, Any]) -> None:
    """Does what the job says."""
    folder, device = Path(job["folder"]), "cuda" if torch.cuda.is_available() else "cpu"
    if job.get("threads"):
        torch.set_num_threads(job["threads"])
    torch.backends.cudnn.deterministic = True
    torch.manual_seed(job["seed"])
    model = made(job).to(device)
    if apply := job.get("apply"):
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        predict(model, Path(apply["images"]), job["test"], Path(apply["out"]), device)
        return
    begin = time.perf_counter()
    train(model, job, folder, device)
    predict(model, Path(job["images"]), job["test"], folder / "predictions", device)
    done = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(time.perf_counter() - begin, 1),
    }
    replace(folder / "done.json", json.dumps(done, indent=1).encode())


def made(job: dict[str, Any]) -> SegformerForSemanticSegmentation:
    """SegFormer-B0 with random weights, or the model and weights of a folder or name."""
    classes = job["classes"]
    if job.get("weights"):
        return SegformerForSemanticSegmentation.from_pretrained(
            job["weights"], num_labels=classes, ignore_mismatched_sizes=True
        )
    return SegformerForSemanticSegmentation(SegformerConfig(num_labels=classes))


def train(
    model: SegformerForSemanticSegmentation, job: dict[str, Any], folder: Path, device: str
) -> None:
    """Trains up to the last epoch, from the last state in the folder."""
    names, batch, epochs = job["train"], job["batch"], job["epochs"]
    images = np.stack([read(Path(job["images"]), name, "RGB") for name in names])
    labels = np.stack([read(Path(job["labels"]), name, "L") for name in names])
    optimizer = torch.optim.AdamW(model.parameters(), lr=job["rate"], weight_decay=DECAY)
    first, lines = 0, []
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, lines = state["epoch"], state["lines"]
    steps = len(names) // batch or 1
    for epoch in range(first, epochs):
        begin, dice = time.perf_counter(), np.random.default_rng([job["seed"], epoch])
        torch.manual_seed(job["seed"] * 100_003 + epoch)  # of drop-out
        model.train()
        losses = []
        order = dice.permutation(len(names))
        for step in range(steps):
            done = (epoch * steps + step) / (epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = job["rate"] * min(done / WARMUP, 1 - done)
            chosen = order[step * batch : (step + 1) * batch]
            x, y = varied(images[chosen], labels[chosen], dice, device)
            optimizer.zero_grad()
            loss = cross_entropy(logits(model, x), y, ignore_index=IGNORED)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        line = {
            "epoch": epoch + 1,
            "of": epochs,
            "loss": float(torch.stack(losses).mean()),
            "seconds": round(time.perf_counter() - begin, 1),
        }
        lines = [*lines, json.dumps(line)]
        replace(folder / "epochs.jsonl", ("\n".join(lines) + "\n").encode())
        save(folder, model, optimizer, epoch + 1, lines)
        print(lines[-1], flush=True)


def logits(model: SegformerForSemanticSegmentation, x: torch.Tensor) -> torch.Tensor:
    """Scores of the classes at each pixel, (N, classes, H, W)."""
    found = model(pixel_values=x).logits
    return interpolate(found, size=x.shape[-2:], mode="bilinear", align_corners=False)


def varied(
    images: np.ndarray, labels: np.ndarray, dice: np.random.Generator, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch, mirrored at random, scaled by one factor and cut or padded to its size again."""
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
    pad = (0, width - y.shape[2], 0, height - y.shape[1])
    return torch.nn.functional.pad(x, pad), torch.nn.functional.pad(y, pad, value=IGNORED)


@torch.no_grad()
def predict(
    model: SegformerForSemanticSegmentation, images: Path, names: list[str], out: Path, device: str
) -> None:
    """Writes the class image of each scene."""
    model.eval()
    out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        batch = np.stack([read(images, name, "RGB") for name in some])
        classes = logits(model, normal(batch, device)).argmax(1).to(torch.uint8).cpu().numpy()
        for name, found in zip(some, classes, strict=True):
            Image.fromarray(found).save(out / f".{name}.png.part", "PNG")
            (out / f".{name}.png.part").replace(out / f"{name}.png")


def normal(images: np.ndarray, device: str) -> torch.Tensor:
    """uint8 (N, H, W, 3) as (N, 3, H, W), of about unit spread."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    return (x - MEAN) / SPREAD


def read(folder: Path, name: str, mode: str) -> np.ndarray:
    """NAME.png of a folder; the project has written it, in this mode."""
    with Image.open(folder / f"{name}.png") as image:
        if image.mode != mode:
            raise SystemExit(f"{folder / name}.png: is {image.mode}, not {mode}")
        return np.array(image)


def save(folder: Path, model: Any, optimizer: Any, epoch: int, lines: list[str]) -> None:
    """The whole state of the training, or what was there before."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "lines": lines,
    }
    torch.save(state, folder / "state.pt.part")
    (folder / "state.pt.part").replace(folder / "state.pt")


def replace(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
