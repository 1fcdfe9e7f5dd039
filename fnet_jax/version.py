"""The version of the library, read by the build and recorded in every checkpoint."""

__version__ = "0.1.0"
