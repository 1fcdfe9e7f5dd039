"""What FNet found in one pair of images: numbers, and figures of them.

:func:`fnet_jax.explain.explanation.explain` computes; :mod:`fnet_jax.explain.figures` draws;
:mod:`fnet_jax.explain.report` writes both for a browser, for papers and for programs.
"""
