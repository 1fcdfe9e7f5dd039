# %% [markdown]
# # Training on your own pairs
#
# In this tutorial you train a small FNet on a dozen pairs, from images on disk to a fused and
# scored result. The pairs are made up and the run is far too short to be useful: the point is the
# way, which is the same for your own images. It takes about a minute on two cores.
#
# Training is not part of the installed package. Run the commands in a clone of the repository,
# with its environment active.

# %%
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from fnet_jax import Fuser, images, metrics
from fnet_jax.synthetic import night_street, random_scene

work = Path(tempfile.mkdtemp())
STEPS = int(os.environ.get("TUTORIAL_STEPS", 150))


def sh(command):
    """Runs a command of the project, and shows what it prints."""
    print(f"$ python -m {command}")
    call = [sys.executable, "-m", *shlex.split(command.replace("WORK", str(work)))]
    done = subprocess.run(call, capture_output=True, text=True)
    printed = (done.stdout + done.stderr).replace(str(work), "WORK")
    print(printed.strip()[-1500:])
    done.check_returncode()


# %% [markdown]
# ## Lay out the pairs
#
# The images of a pair have the same name in two folders: `I1` for the visible ones and `I2` for
# the infrared ones. They must have the same size and show the same scene in the same place. We
# draw twelve random scenes.

# %%
for seed in range(12):
    pair = random_scene(96, 128, seed=seed)
    for kind, image in zip(("I1", "I2"), pair, strict=True):
        folder = work / "pictures" / kind
        folder.mkdir(parents=True, exist_ok=True)
        images.write(folder / f"{seed:02}.png", image)

figure, axes = plt.subplots(2, 6, figsize=(10, 2.9))
for column, name in enumerate(sorted((work / "pictures/I1").iterdir())[:6]):
    axes[0, column].imshow(images.read(name))
    infrared = images.read(work / "pictures/I2" / name.name)
    axes[1, column].imshow(infrared, cmap="gray")
for axis in axes.flat:
    axis.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Prepare a set
#
# `train.prepare` reads every file, reports what is damaged, displaced or without a partner, and
# stores the pairs as a named set with a fingerprint. Every checkpoint records that fingerprint.

# %%
sh("train.prepare own --source WORK/pictures --name dozen --data-dir WORK/sets")

# %% [markdown]
# ## Stage I
#
# In stage I, FNet fuses two images and IFNet recovers both from the fused image. The loss is how
# much the recovered images differ from the sources (eq. 25). We use a network with few features
# so that the steps are quick. Leave out `--features`, `--iterations` and `--kernel-size` for the
# paper's network; `--dry-run` states what a run would cost.

# %%
data = "--data dozen --data-dir WORK/sets --validation 1"
data += " --batch 4 --crop 48 --lr 1e-3"
sh(
    f"train.stage1 --workdir WORK/runs {data} --steps {STEPS} "
    "--features 8 --iterations 1 --kernel-size 3"
)

# %% [markdown]
# ## Stage II
#
# Stage II continues with FNet alone. Its loss asks for the brighter pixel, the stronger edge and
# the structure of both sources (eq. 26).

# %%
sh(f"train.stage2 --workdir WORK/runs {data} --steps {STEPS}")

# %% [markdown]
# A run that was stopped continues with `--resume`. The curves are in `metrics.jsonl`, one JSON
# object per line, and pictures of the validation pairs are in `pictures/`.

# %%
for path in sorted((work / "runs/stage2").glob("[!.]*")):
    if not path.name.startswith("events."):  # curves for TensorBoard
        print(path.relative_to(work))

# %% [markdown]
# ## Fuse with the result
#
# Every command takes the folder of the run as `--ckpt`; from Python it is
# `Fuser.from_checkpoint`. We fuse a street at night, which is not in the training set.

# %%
I1, I2 = night_street(144, 192, seed=1)
ours = Fuser.from_checkpoint(work / "runs").fuse(I1, I2)
shipped = Fuser.pretrained().fuse(I1, I2)

figure, axes = plt.subplots(1, 4, figsize=(12, 2.6))
panels = {
    "visible": I1,
    "infrared": I2,
    "after this tutorial": ours,
    "shipped weights": shipped,
}
for axis, (title, image) in zip(axes, panels.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title)
    axis.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Score it
#
# `metrics.evaluate` computes the metrics of one fused image; these six are those of the paper's
# Table I. The arrow says which direction is better.

# %%
names = ["MI", "CE", "VIF", "Qabf", "Qcb", "SSIM"]
values = [metrics.evaluate(I1, I2, If, metrics=names) for If in (ours, shipped)]
print("                ours   shipped")
for name in names:
    arrow = metrics.METRICS[name].arrow
    print(f"{name:5} {arrow}   {values[0][name]:10.3f}{values[1][name]:10.3f}")

# %% [markdown]
# Do not read a ranking into this. One pair and so few steps prove nothing, and this street is
# drawn like the training scenes, while the shipped weights were trained on photographs. What you
# have seen is that all parts work together, which is worth a check before a long run.
#
# **Next:** [Training](../training.md) has the paper's settings, the training of the shipped
# weights in one command, and training on several devices; [Scoring](../scoring.md) compares
# methods over whole folders, with intervals.
