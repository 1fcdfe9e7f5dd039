"""What is wrong with pairs of images, before they are fused or trained on; changes nothing."""
