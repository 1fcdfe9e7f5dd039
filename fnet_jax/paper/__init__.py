"""The paper's Table I again: its sets found, fused by its protocol, scored and compared."""
