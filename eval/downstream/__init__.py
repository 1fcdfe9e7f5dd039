"""What fused images are worth to a detector and a segmenter: the paper's Table II."""
