"""Fusing images: single pairs, whole folders, edits, contact sheets."""
