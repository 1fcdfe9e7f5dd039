"""Training of FNet and IFNet: data, steps, loop and the commands of both stages."""
