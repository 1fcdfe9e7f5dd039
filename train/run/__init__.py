"""One stage of training: its steps, loop, folder, checkpoints and curves."""
