"""The machine: cores, devices, memory, processes, compiled programs."""
