#!/usr/bin/env python3
"""Stands in for ultralytics' program ``yolo``: the same command line, the same files.

It learns nothing: it "finds" the boxes in the labels of the images that it is shown. What is to go
wrong is in the variable STAND_IN, as ``what:epoch``.
"""

import io
import json
import os
import signal
import struct
import sys
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WHAT, _, WHEN = os.environ.get("STAND_IN", "").partition(":")


def say(line):
    try:
        print(line, flush=True)
    except BrokenPipeError:  # goes on without its listener
        sys.stdout = io.StringIO()


def load(path):
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("data"))


def save(path, content, *, half=False):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data", json.dumps(content))
    if half:
        path.write_bytes(path.read_bytes()[:-10])


def pictures(data, part):
    about = json.loads(Path(data).read_text(encoding="utf-8"))
    folder = Path(about["path"]) / about[part]
    found = sorted(folder.iterdir())
    assert all(path.suffix == ".png" for path in found)
    return found, about


def train(given):
    start, kept = 0, given
    if given.get("resume") == "True":
        last = load(given["model"])
        assert set(given) == {"model", "data", "resume"}
        kept = last["args"]
        assert 0 < last["epoch"] + 1 < int(kept["epochs"]), (
            f"training to {kept['epochs']} epochs is finished, nothing to resume.\nStart a new one"
        )
        start = last["epoch"] + 1
    found, about = pictures(given["data"], "train")
    assert found
    assert about["names"]
    run = Path(kept["project"]) / kept["name"]
    weights = run / "weights"
    weights.mkdir(parents=True, exist_ok=kept["exist_ok"] == "True")
    epochs = int(kept["epochs"])
    for epoch in range(start, epochs):
        say(f"  {epoch + 1}/{epochs}  0G  loss")
        now = str(epoch + 1) == WHEN
        if WHAT == "fail" and now:
            raise RuntimeError(f"cannot learn epoch {epoch + 1}")
        if WHAT == "memory" and now:
            say("WARNING CUDA out of memory with batch=4. Reducing to batch=2 and retrying (1/3).")
            time.sleep(60)
        if WHAT == "wait" and now:
            time.sleep(60)
        time.sleep(0.8 if WHAT == "slow" else 0.05)
        csv = run / "results.csv"
        with csv.open("a", encoding="utf-8") as file:
            if not csv.stat().st_size:
                file.write("epoch,time,train/box_loss\n")
            file.write(f"{epoch + 1},{epoch / 10},{1 / (epoch + 1):.6g}\n")
        half = WHAT == "half" and now
        save(weights / "last.pt", {"epoch": epoch, "args": kept}, half=half)
        if half:
            os.kill(os.getpid(), signal.SIGKILL)
        save(weights / "best.pt", {"epoch": epoch, "args": kept})
        say(f"  {epoch + 1}/{epochs} 100%")
    for name in ("last.pt", "best.pt"):
        save(weights / name, {"epoch": -1, "args": kept})
    if WHAT == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    say(f"{epochs} epochs completed")


def val(given):
    assert load(given["model"])["args"]["epochs"]
    assert Path(given["model"]).name == "last.pt"
    found, about = pictures(given["data"], given["split"])
    boxes = []
    for path in found:
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        label = path.parents[2] / "labels" / given["split"] / f"{path.stem}.txt"
        for line in label.read_text(encoding="utf-8").splitlines():
            number, x, y, w, h = map(float, line.split())
            assert number < len(about["names"])
            corner = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
            boxes.append(
                {
                    "image_id": int(path.stem) if path.stem.isnumeric() else path.stem,
                    "file_name": path.name,
                    "category_id": int(number) + 1,
                    "bbox": [round(value, 3) for value in corner],
                    "score": 0.9,
                }
            )
    out = Path(given["project"]) / given["name"]
    out.mkdir(parents=True, exist_ok=given["exist_ok"] == "True")
    if boxes:
        (out / "predictions.json").write_text(json.dumps(boxes), encoding="utf-8")


def main():
    with (HERE / "calls.txt").open("a", encoding="utf-8") as file:
        file.write(json.dumps(sys.argv[1:]) + "\n")
    assert os.environ["YOLO_OFFLINE"] == "true"
    for font in ("Arial.ttf", "Arial.Unicode.ttf"):  # else it asks the network for them
        assert (Path(os.environ["YOLO_CONFIG_DIR"]) / "Ultralytics" / font).stat().st_size
    assert not os.environ["PYTHONPATH"]
    task, mode, *rest = sys.argv[1:]
    assert task == "detect"
    {"train": train, "val": val}[mode](dict(word.split("=", 1) for word in rest))


if __name__ == "__main__":
    main()
