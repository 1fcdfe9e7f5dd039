"""What a process asks of its machine: memory and compiled programs."""
