"""FNet and IFNet: the networks, their initialization and their losses."""
