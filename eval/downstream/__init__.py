"""What fused images are worth to a detector and a segmenter: the paper's Table II."""

from fnet_jax.networks.sizes import BASE, SIZES

VISIBLE, INFRARED, MEAN, FNET = "Visible", "Infrared", "Mean", "FNet"
OWN = (VISIBLE, INFRARED, MEAN, FNET)  # kinds of images that need no folder
SIZED = {f"{FNET}-{size}": size for size in SIZES if size != BASE}  # fused by other sizes
