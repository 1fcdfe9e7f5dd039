"""IFNet: the inverse of fusion, from a fused image back to its two sources (eq. 24)."""

from typing import ClassVar

import jax

from fnet_jax.networks.network import Decoder, Network
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.unrolled import Intermediates, check_images, keep_inside


class IFNet(Network):
    """Explains a fused image by features of each source and decodes each source.

    Solves approximately (eq. 14) for x1 and x2 in If = G_x1 x1 + G_x2 x2 and returns
    I1 = D_x1 x1, I2 = D_x2 x2. It is used only to train FNet (stage I). The default settings give
    207,368 parameters: the blocks ``lzsc_x1``, ``lzsc_x2`` and the filters ``D_x1``, ``D_x2``.
    """

    CODES: ClassVar = {"x1": 1, "x2": 1}
    DECODERS: ClassVar = {"D_x1": Decoder("x1", 1.0), "D_x2": Decoder("x2", 1.0)}

    def setup(self) -> None:
        """Creates the two blocks and the decoders."""
        self.check()
        self.decoders = self._decoders()
        self.lzsc_x1, self.lzsc_x2 = (self.coder() for _ in self.CODES)

    def __call__(
        self, If: jax.Array, *, mask: jax.Array | None = None
    ) -> tuple[tuple[jax.Array, jax.Array], Intermediates]:
        """Separates a batch of fused images.

        Args:
            If: fused images, shape (N, H, W, 1), values in about [0, 1].
            mask: as for :meth:`fnet_jax.FNet.__call__`.

        Returns:
            ``((I1, I2), intermediates)``: the separated sources, each (N, H, W, 1), not clipped,
            and a dict with ``x1``, ``x2`` (N, H, W, K), ``I1``, ``I2`` and ``lzsc_x1``, ``lzsc_x2``
            (the intermediates of each :class:`~fnet_jax.lzsc.LZSC`).

        Raises:
            ValueError: a setting, or the shape or type of ``If``, is wrong.
        """
        check_images(expected_channels=1, If=If)
        x1, lzsc_x1 = self.lzsc_x1(If, mask=mask)
        x2, lzsc_x2 = self.lzsc_x2(If, mask=mask)
        I1 = keep_inside(correlate(x1, self.decoders["D_x1"]), mask)
        I2 = keep_inside(correlate(x2, self.decoders["D_x2"]), mask)
        intermediates = {
            "x1": x1,
            "x2": x2,
            "I1": I1,
            "I2": I2,
            "lzsc_x1": lzsc_x1,
            "lzsc_x2": lzsc_x2,
        }
        return (I1, I2), intermediates
