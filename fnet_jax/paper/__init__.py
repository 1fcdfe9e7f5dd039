"""The paper's Table I, computed again: its sets are found, fused by its protocol and scored."""
