"""From weights and images to fused images: one pair, whole folders, edits, contact sheets."""
