"""Training data: prepared sets, folders of pairs, random scenes, and batches of them."""
