"""Output of all commands: files written whole or not at all, tables, pages, and provenance."""
