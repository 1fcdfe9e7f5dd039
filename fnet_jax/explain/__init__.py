"""What FNet found in one pair of images, as numbers and figures.

:func:`fnet_jax.explain.explanation.explain` computes, :mod:`fnet_jax.explain.figures` draws, and
:mod:`fnet_jax.explain.report` writes both as a page, figures and data files.
"""

MOST_PIXELS = 500_000  # of an image, unless the user says otherwise: features are large
