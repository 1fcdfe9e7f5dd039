"""What all commands write: files, whole or not at all, tables, pages, and their provenance."""
