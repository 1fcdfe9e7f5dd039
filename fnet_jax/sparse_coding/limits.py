"""The largest settings of a network; larger ones are taken for mistakes."""

MOST_FEATURES, MOST_ITERATIONS, LARGEST_KERNEL = 4096, 1000, 255
