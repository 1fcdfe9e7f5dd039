"""FNet: two registered images of one scene become one (eqs. 22, 23)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fnet_jax.networks.network import Network
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.lzsc import Intermediates, check_images, keep_inside, xavier


class FNet(Network):
    """Explains two images as unique and common sparse features and fuses by decoding those.

    Solves, approximately and in this order (eqs. 9 and 11), for u1, u2 and then c in

        I1 = D_c1 c + D_u1 u1,   I2 = D_c2 c + D_u2 u2,   If = G_c c + G_u1 u1 + G_u2 u2.

    With the default settings it has 419,916 parameters: the blocks ``lzsc_u1``, ``lzsc_u2`` and
    ``lzsc_c``, and the filters ``D_u1``, ``D_u2``, ``G_u1``, ``G_u2``, ``G_c``.
    """

    @nn.compact
    def __call__(
        self,
        I1: jax.Array,
        I2: jax.Array,
        *,
        mask: jax.Array | None = None,
        theta_scale: jax.Array | float = 1.0,
    ) -> tuple[jax.Array, Intermediates]:
        """Fuses a batch of pairs.

        Args:
            I1: visible, CT, PET or SPECT images (luma), shape (N, H, W, 1), values in [0, 1].
            I2: infrared, near-infrared or MRI images, shape (N, H, W, 1), values in [0, 1].
            mask: 1 inside and 0 outside the true images, shape broadcastable to (N, H, W, 1), if
                they are smaller than the arrays; None if they fill them.
            theta_scale: multiplies every θᵏ of the three blocks, scalar ≥ 0.

        Returns:
            ``(If, intermediates)``: the fused images, shape (N, H, W, 1), not clipped, and a dict
            with ``u1``, ``u2``, ``c`` (N, H, W, K), ``I1_hat``, ``I2_hat`` (what is left for the
            common features), ``If_u1``, ``If_u2``, ``If_c`` (the three reconstructions, whose sum
            is If), ``If``, all (N, H, W, 1), and ``lzsc_u1``, ``lzsc_u2``, ``lzsc_c`` (what each
            :class:`~fnet_jax.lzsc.LZSC` returns beside its code).

        Raises:
            ValueError: a setting or the shape or type of an image is wrong; the message says which.
        """
        self.check()
        check_images(expected_channels=1, I1=I1, I2=I2)
        I1, I2 = keep_inside(I1, mask), keep_inside(I2, mask)
        D_u1, G_u1, D_u2, G_u2, G_c = (
            self.param(name, xavier, self.down_shape(1))
            for name in ("D_u1", "G_u1", "D_u2", "G_u2", "G_c")
        )

        how: dict[str, Any] = {"mask": mask, "theta_scale": theta_scale}
        u1, lzsc_u1 = self.coder("lzsc_u1")(I1, **how)
        u2, lzsc_u2 = self.coder("lzsc_u2")(I2, **how)
        # D and G read the same features: one correlation with two outputs.
        from_u1 = keep_inside(correlate(u1, jnp.concatenate([D_u1, G_u1], axis=3)), mask)
        from_u2 = keep_inside(correlate(u2, jnp.concatenate([D_u2, G_u2], axis=3)), mask)
        I1_hat, If_u1 = I1 - from_u1[..., :1], from_u1[..., 1:]
        I2_hat, If_u2 = I2 - from_u2[..., :1], from_u2[..., 1:]

        c, lzsc_c = self.coder("lzsc_c")(jnp.concatenate([I1_hat, I2_hat], axis=3), **how)
        If_c = keep_inside(correlate(c, G_c), mask)
        If = If_c + If_u1 + If_u2
        intermediates = {
            "u1": u1,
            "u2": u2,
            "c": c,
            "I1_hat": I1_hat,
            "I2_hat": I2_hat,
            "If_u1": If_u1,
            "If_u2": If_u2,
            "If_c": If_c,
            "If": If,
            "lzsc_u1": lzsc_u1,
            "lzsc_u2": lzsc_u2,
            "lzsc_c": lzsc_c,
        }
        return If, intermediates
