# %% [markdown]
# # First pair
#
# In this tutorial you fuse two images of one scene, look at what each of them contributed, change
# the mixture, and write the result to a file. It takes less than a minute on two cores.
#
# ## Read two images
#
# The package ships three pairs that are drawn, not photographed. We take a street at night. `I1`
# is the visible image, in color; `I2` is the infrared one, in grey. These are the names of the
# paper, and the library uses them everywhere.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fnet_jax import Fuser, images
from fnet_jax.fusing import edits
from fnet_jax.pairs.match import SAMPLES

I1 = images.read(SAMPLES / "I1/synthetic_night_street.png")
I2 = images.read(SAMPLES / "I2/synthetic_night_street.png")
print(I1.shape, I1.dtype, "and", I2.shape, I2.dtype)

# %% [markdown]
# The two images have the same size and show the same scene in the same place. If yours do not,
# see [Registration](../registration.md).


# %%
def show(**panels):
    """Draws images side by side, each under its name."""
    size = 3.4 * len(panels), 2.9
    figure, axes = plt.subplots(1, len(panels), figsize=size)
    for axis, (name, image) in zip(axes, panels.items(), strict=True):
        white = 255 if image.dtype == np.uint8 else 1
        axis.imshow(image, cmap="gray", vmin=0, vmax=white)
        axis.set_title(name.replace("_", " "))
        axis.axis("off")
    figure.tight_layout()
    plt.show()


show(I1_visible=I1, I2_infrared=I2)

# %% [markdown]
# Look at what is in one image only. The visible image has the lit windows and the markings of the
# road. The infrared image has the people, who stand in the dark, and the warm engine of the car.
#
# ## Fuse
#
# `Fuser.pretrained()` loads the weights that ship with the package. `fuse` returns an image of
# the same type as `I1`. The color of `I1` is kept: only its brightness is fused.

# %%
fuser = Fuser.pretrained()
fused = fuser.fuse(I1, I2)
show(I1_visible=I1, I2_infrared=I2, fused=fused)

# %% [markdown]
# The people are there, and so are the windows. The first call compiles a program for this size of
# image; a second pair of the same size takes a fraction of the time.
#
# ## Where does each pixel come from?
#
# FNet explains both images by sparse features: `u1` belongs to `I1` alone, `u2` to `I2` alone,
# and `c` is common to both. Each code is decoded into an image, and the fused image is the sum of
# the three (eq. 23). `decompose` returns everything that the network computed.

# %%
found = fuser.decompose(I1, I2)
for name in ("u1", "u2", "c", "If_u1", "If_u2", "If_c", "If"):
    print(f"{name:6}", found[name].shape)
total = found["If_u1"] + found["If_u2"] + found["If_c"]
difference = abs(found["If"] - total).max()
print(f"largest difference between If and the sum: {difference:.1e}")

# %% [markdown]
# The parts have both signs, so we draw them around mid-grey: lighter means that a part adds
# light, darker that it takes light away.

# %%
parts = ("If_u1", "If_u2", "If_c")
show(**{name: 0.5 + found[name][..., 0] for name in parts})

# %% [markdown]
# `If_u1` carries the lit windows and the lamp, which only the visible camera sees. `If_u2` adds
# light to the people and the engine, and little else. Both are small beside `If_c`, which has
# most of the picture, and most of the people as well: the common code is found in what `u1` and
# `u2` leave of the two images, so a bright thing that one camera alone sees can end up there. The
# names say how a code was found, not where its content came from.
#
# Sparse means that few features are active at a pixel. The thresholds of this network leave small
# values rather than exact zeros, so we count what is at least a thousandth of the largest value.

# %%
for name in ("u1", "u2", "c"):
    size = abs(found[name])
    active = (size > size.max() / 1000).sum(axis=2).mean()
    print(f"{name}: on average, {active:.1f} of 64 features are active at a pixel")

# %% [markdown]
# ## Change the mixture
#
# The decoding is linear in the codes, so you can weigh them: `u2=0` removes the unique part of
# the infrared image, and `u2=2` doubles it. The features themselves are not computed again.

# %%
without = edits.fuse(fuser, I1, I2, edits.Edit(u2=0))
doubled = edits.fuse(fuser, I1, I2, edits.Edit(u2=2))
show(u2_removed=without, as_it_is=fused, u2_doubled=doubled)

# %% [markdown]
# Without `u2` the people are darker, but still there: the rest of them is in the common part.
# With `u2` doubled they stand out more, and nothing else in the picture changes much.
#
# ## Write the result
#
# The format follows the name of the file. Existing files are kept unless you say
# `overwrite=True`.

# %%
folder = Path(tempfile.mkdtemp())
images.write(folder / "fused.png", fused)
print((folder / "fused.png").stat().st_size // 1000, "kB")

# %% [markdown]
# The same from a shell, for files or whole folders:
#
# ```sh
# fnet fuse --i1 visible.png --i2 infrared.png --out fused/
# fnet explain --i1 visible.png --i2 infrared.png --out explained/
# ```
#
# **Next:** [Fusing](../fusing.md) has the options, such as those for color, 16 bits and large
# images; [Looking inside](../explain.md) explains what the parts mean and how they are measured.
