"""FNet: fuses two registered images of one scene (eqs. 22, 23)."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.networks.network import Decoder, Network
from fnet_jax.runtime.engines import XLA
from fnet_jax.sparse_coding.unrolled import Intermediates, check_images, keep_inside


class FNet(Network):
    """Explains two images by unique and common sparse features, and decodes these to one image.

    Solves approximately, in this order (eqs. 9 and 11), for u1, u2 and then c in

        I1 = D_c1 c + D_u1 u1,   I2 = D_c2 c + D_u2 u2,   If = G_c c + G_u1 u1 + G_u2 u2.

    The default settings give 419,916 parameters: the blocks ``lzsc_u1``, ``lzsc_u2`` and
    ``lzsc_c``, and the filters ``D_u1``, ``D_u2``, ``G_u1``, ``G_u2``, ``G_c``.
    """

    CODES: ClassVar = {"u1": 1, "u2": 1, "c": 2}
    # D leaves half of a source to the common features. The fused image is then the mean of the
    # sources: half of it comes from u1 and u2, half from c.
    DECODERS: ClassVar = {
        "D_u1": Decoder("u1", 0.5),
        "G_u1": Decoder("u1", 0.25),
        "D_u2": Decoder("u2", 0.5),
        "G_u2": Decoder("u2", 0.25),
        "G_c": Decoder("c", 0.5),
    }

    def setup(self) -> None:
        """Creates the three blocks and the decoders."""
        self.check()
        self.decoders = self._decoders()
        self.lzsc_u1, self.lzsc_u2, self.lzsc_c = (self.coder() for _ in self.CODES)

    def __call__(
        self,
        I1: jax.Array,
        I2: jax.Array,
        *,
        mask: jax.Array | None = None,
        theta_scale: jax.Array | float = 1.0,
        engine: str = XLA,
    ) -> tuple[jax.Array, Intermediates]:
        """Fuses a batch of pairs.

        Args:
            I1: visible, CT, PET or SPECT images (luma), shape (N, H, W, 1), values in [0, 1].
            I2: infrared, near-infrared or MRI images, shape (N, H, W, 1), values in [0, 1].
            mask: 1 inside the true images and 0 outside, shape broadcastable to (N, H, W, 1), where
                the images are smaller than the arrays; None if they fill the arrays.
            theta_scale: factor ≥ 0 on every θᵏ of the three blocks, scalar.
            engine: ``"xla"``, or ``"native"`` for the compiled CPU engine, which needs
                :meth:`prepared` parameters and returns images only.

        Returns:
            ``(If, intermediates)``: the fused images, shape (N, H, W, 1), not clipped, and a dict
            with ``u1``, ``u2``, ``c`` (N, H, W, K); ``I1_hat``, ``I2_hat`` (the part left for the
            common features), ``If_u1``, ``If_u2``, ``If_c`` (the three reconstructions, which sum
            to If) and ``If``, all (N, H, W, 1); ``lzsc_u1``, ``lzsc_u2``, ``lzsc_c`` (the
            intermediates of each :class:`~fnet_jax.lzsc.LZSC`).

        Raises:
            ValueError: a setting, or the shape or type of an image, is wrong.
        """
        check_images(expected_channels=1, I1=I1, I2=I2)
        how: dict[str, Any] = {"mask": mask, "theta_scale": theta_scale, "engine": engine}
        I1_hat, If_u1, of_u1 = self.unique(I1, **how)
        I2_hat, If_u2, of_u2 = self.unique(I2, code="u2", after=If_u1, **how)
        If_c, of_c = self.common(jnp.concatenate([I1_hat, I2_hat], axis=3), **how)
        If = If_c + If_u1 + If_u2
        images = {
            "I1_hat": I1_hat,
            "I2_hat": I2_hat,
            "If_u1": If_u1,
            "If_u2": If_u2,
            "If_c": If_c,
            "If": If,
        }
        return If, images | of_u1 | of_u2 | of_c

    def unique(
        self,
        source: jax.Array,
        *,
        code: str = "u1",
        mask: jax.Array | None = None,
        theta_scale: jax.Array | float = 1.0,
        engine: str = XLA,
        after: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array, Intermediates]:
        """The unique features of one source: u = LZSC(I), Î = I − D_u u, G_u u (eqs. 22, 23).

        ``source`` is the image, shape (N, H, W, 1), values in [0, 1]; ``code`` is ``"u1"`` for I1
        and ``"u2"`` for I2. ``after`` is an array that the compiled engine waits for, so that it
        holds the maps of only one source at a time. The other arguments are those of
        :meth:`__call__`.

        Returns:
            ``(I_hat, If_u, intermediates)``: the part left for the common features and the
            contribution to the fused image, each (N, H, W, 1), and u with the intermediates of its
            block.
        """
        block = {"u1": self.lzsc_u1, "u2": self.lzsc_u2}[code]
        source = keep_inside(source, mask)
        how: dict[str, Any] = {"mask": mask, "theta_scale": theta_scale, "engine": engine}
        names = f"D_{code}", f"G_{code}"
        images, found = self._drawn(block, code, source, *names, after=after, **how)
        return source - images[..., :1], images[..., 1:], found

    def common(
        self,
        left: jax.Array,
        *,
        mask: jax.Array | None = None,
        theta_scale: jax.Array | float = 1.0,
        engine: str = XLA,
    ) -> tuple[jax.Array, Intermediates]:
        """The common features: c = LZSC([Î1, Î2]) and G_c c (eqs. 22, 23).

        ``left`` has Î1 and Î2 as channels, shape (N, H, W, 2); the other arguments are those of
        :meth:`__call__`.

        Returns:
            ``(If_c, intermediates)``: the contribution to the fused image, (N, H, W, 1), and ``c``
            with the intermediates of its block.
        """
        how: dict[str, Any] = {"mask": mask, "theta_scale": theta_scale, "engine": engine}
        return self._drawn(self.lzsc_c, "c", left, "G_c", **how)

    @staticmethod
    def exchanged(params: Any) -> Any:
        """Swaps the parameters of I1 and I2: one compiled :meth:`unique` then serves both sources.

        Args:
            params: variables ``{"params": …}``; other collections are swapped likewise.
        """
        other: dict[str, str] = {}
        for one, two in (("lzsc_u1", "lzsc_u2"), ("D_u1", "D_u2"), ("G_u1", "G_u2")):
            other |= {one: two, two: one}
        return {
            kind: {name: values[other.get(name, name)] for name in values}
            for kind, values in params.items()
        }

    @staticmethod
    def drawn(params: Any, code: str) -> np.ndarray:
        """The filters G that draw a code into the fused image, (size, size, K, 1)."""
        return np.asarray(params["params"][f"G_{code}"])
