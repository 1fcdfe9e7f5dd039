"""Stands in for the SegFormer program: the same job, a model that needs only NumPy and Pillow.

It learns the mean color of each class, and stops after ``FNET_STOP_AFTER`` epochs if that is set.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def read(folder, name):
    return np.asarray(Image.open(Path(folder) / f"{name}.png"), np.float64)


def main(job):
    folder = Path(job["folder"])
    state = folder / "state.json"
    known = json.loads(state.read_text()) if state.exists() else {"epoch": 0, "means": None}
    if "apply" in job:
        predict(
            known["means"],
            job["apply"]["images"],
            job["test"],
            Path(job["apply"]["out"]) / "predictions",
        )
        return
    lines = [
        json.dumps({"epoch": k + 1, "of": job["epochs"], "loss": 1 / (k + 1), "seconds": 0})
        for k in range(job["epochs"])
    ]
    for epoch in range(known["epoch"], job["epochs"]):
        sums, counts = np.zeros((job["classes"], 3)), np.zeros(job["classes"])
        for name in job["train"]:
            image, label = read(job["images"], name), read(job["labels"], name).astype(int)
            assert image.shape[:2] == label.shape
            for k in range(job["classes"]):
                sums[k] += image[label == k].sum(axis=0)
                counts[k] += (label == k).sum()
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], 1e6)
        known = {"epoch": epoch + 1, "means": means.tolist()}
        state.write_text(json.dumps(known))
        (folder / "epochs.jsonl").write_text("\n".join(lines[: epoch + 1]) + "\n")
        print(lines[epoch], flush=True)
        if str(epoch + 1) == os.environ.get("FNET_STOP_AFTER"):
            sys.exit("stopped as asked")
    predict(known["means"], job["images"], job["test"], folder / "predictions")
    (folder / "done.json").write_text("{}")


def predict(means, images, names, out):
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        distance = ((read(images, name)[:, :, None] - np.array(means)) ** 2).sum(axis=3)
        Image.fromarray(distance.argmin(axis=2).astype(np.uint8)).save(out / f"{name}.png")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
