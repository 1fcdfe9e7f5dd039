"""What a process asks of its machine: cores, devices, memory, processes, compiled programs."""
