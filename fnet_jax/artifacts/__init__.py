"""What all commands write: files whole or not at all, and what numbers came from."""
