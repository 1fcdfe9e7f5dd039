"""The largest settings that a network may have; larger ones are a mistake."""

MOST_FEATURES, MOST_ITERATIONS, LARGEST_KERNEL = 4096, 1000, 255
