"""Finding problems in pairs of images before they are fused or trained on; changes nothing."""
