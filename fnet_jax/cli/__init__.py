"""The commands that the package installs: each parses, calls the library and prints."""
