"""What fused images are worth to a detector and a segmenter: the paper's Table II."""

VISIBLE, INFRARED, MEAN, FNET = "Visible", "Infrared", "Mean", "FNet"
OWN = (VISIBLE, INFRARED, MEAN, FNET)  # kinds of images that need no folder
