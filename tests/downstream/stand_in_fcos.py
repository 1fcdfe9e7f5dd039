"""Stands in for the FCOS program: the same job, without PyTorch.

It "finds" the boxes of the first scene that trains in every image that is as large as that scene's.
"""

import json
import sys
from pathlib import Path

from PIL import Image


def main(job):
    folder = Path(job["folder"])
    if apply := job.get("apply"):
        known = json.loads((folder / "state.json").read_text())
        predict(known, job, Path(apply["images"]), Path(apply["out"]))
        return
    assert sorted(job["boxes"]) == sorted(job["train"])
    first = job["train"][0]
    known = {"boxes": job["boxes"][first], "size": size(job["images"], first)}
    (folder / "state.json").write_text(json.dumps(known))
    lines = [
        json.dumps({"epoch": k + 1, "of": job["epochs"], "loss": 1 / (k + 1), "seconds": 0})
        for k in range(job["epochs"])
    ]
    (folder / "epochs.jsonl").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)
    predict(known, job, Path(job["images"]), folder)
    (folder / "done.json").write_text("{}")


def size(folder, name):
    with Image.open(Path(folder) / f"{name}.png") as image:
        return list(image.size)


def predict(known, job, images, out):
    out.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "image_id": job["numbers"][name],
            "category_id": number + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": 0.5,
        }
        for name in job["test"]
        if size(images, name) == known["size"]
        for number, x1, y1, x2, y2 in known["boxes"]
    ]
    (out / "predictions.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
