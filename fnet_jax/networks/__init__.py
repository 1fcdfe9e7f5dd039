"""FNet and IFNet: what they are made of, what training starts from, and what it minimizes."""
