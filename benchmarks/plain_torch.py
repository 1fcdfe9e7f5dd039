"""FNet in PyTorch, one convolution at a time as eqs. 20 to 23 are printed: what ours is timed with.

An optional part of the benchmarks; nothing else needs PyTorch.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, softplus

ALPHA, GAMMA = 0.1, 100.0


def tensors(params: Any, device: str) -> Any:
    """Flax parameters as tensors: filters (size, size, C, O) become (O, C, size, size)."""
    if isinstance(params, dict):
        return {name: tensors(value, device) for name, value in params.items()}
    array = np.asarray(params)
    array = np.array(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)
    return torch.from_numpy(array).to(device)


def image(image: np.ndarray, device: str) -> Tensor:
    """(N, H, W, C) as a tensor (N, C, H, W)."""
    return torch.from_numpy(image.transpose(0, 3, 1, 2).copy()).to(device)


def same(x: Tensor, filters: Tensor) -> Tensor:
    """'Same' correlation with zeros outside, (N, C, H, W) → (N, O, H, W)."""
    return conv2d(x, filters, padding=filters.shape[-1] // 2)


def threshold(x: Tensor, theta: Tensor) -> Tensor:
    """Eq. 6, with the sign."""
    size = x.abs()
    return x.sign() * (size - ALPHA * theta) * torch.sigmoid(GAMMA * (size - theta))


def lzsc(p: dict[str, Tensor], e: Tensor, iterations: int) -> Tensor:
    """Eqs. 20 and 21: (N, C, H, W) → (N, K, H, W)."""
    each = torch.arange(iterations + 1, device=e.device)
    theta = softplus(p["b_theta"] - softplus(p["w_theta"]) * each)
    rho = 1 - softplus(p["b_rho"]) / softplus(softplus(p["w_rho"]) * each + p["b_rho"])
    u = [threshold(same(e, p["W_e_0"]), theta[0])]
    for k in range(1, iterations + 1):
        value = (1 + rho[k]) * (u[-1] - same(same(u[-1], p[f"W_d_{k}"]), p[f"W_u_{k}"]))
        if k > 1:
            again = same(same(u[-2], p[f"W_d_prime_{k}"]), p[f"W_u_prime_{k}"])
            value = value - rho[k] * (u[-2] - again)
        u.append(threshold(value + same(e, p[f"W_e_{k}"]), theta[k]))
    return u[-1]


def fnet(p: dict[str, Any], I1: Tensor, I2: Tensor, *, iterations: int = 4) -> Tensor:
    """Eqs. 22 and 23: two images (N, 1, H, W) → fused (N, 1, H, W)."""
    u1, u2 = lzsc(p["lzsc_u1"], I1, iterations), lzsc(p["lzsc_u2"], I2, iterations)
    left = torch.cat([I1 - same(u1, p["D_u1"]), I2 - same(u2, p["D_u2"])], dim=1)
    c = lzsc(p["lzsc_c"], left, iterations)
    return same(c, p["G_c"]) + same(u1, p["G_u1"]) + same(u2, p["G_u2"])
