"""The paper's Table III: training and scoring its experiments."""
