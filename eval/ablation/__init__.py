"""The paper's Table III: training and scoring of its experiments."""
