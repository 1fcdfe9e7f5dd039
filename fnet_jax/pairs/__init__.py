"""Pairing of images: by file name, in the layouts of public data sets, and the samples."""
