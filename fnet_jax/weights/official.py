"""The weights that the authors of FNet published, as parameters of this FNet.

Their network takes the infrared image first, stores filters as OIHW and keeps the slopes of eq. 21
themselves, where ours are free parameters behind a softplus. Their block ``net_u`` codes I2,
``net_v`` codes I1 and ``net_z`` the common features, whose input channels are I2, I1.
"""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax.errors import InputError, first_line
from fnet_jax.sparse_coding.schedule import inverse_softplus

Parameters = dict[str, Any]
"""Parameters of a network as linen nests them, ``{"params": {block: {name: array}}}``."""

FEATURES, ITERATIONS, SIZE = 64, 4, 9
BLOCKS = {"net_v": "lzsc_u1", "net_u": "lzsc_u2", "net_z": "lzsc_c"}
FILTERS = {
    "conv_v": "D_u1",
    "conv_u": "D_u2",
    "decoder.conv_3": "G_u1",
    "decoder.conv_1": "G_u2",
    "decoder.conv_2": "G_c",
}


def block_names() -> Iterator[tuple[str, str, str]]:
    """Yields (their name, our name, ``"up"`` or ``"down"``) of each filter bank of a block."""
    yield "x0_block.conv_in", "W_e_0", "up"
    for k in range(1, ITERATIONS + 1):
        module = "x1_block" if k == 1 else f"IM.{k - 2}"
        layer = "basic_layer" if k == 1 else "basic_layer1"
        yield f"{module}.conv_in", f"W_e_{k}", "up"
        yield f"{module}.{layer}.ch_down", f"W_d_{k}", "down"
        yield f"{module}.{layer}.ch_up", f"W_u_{k}", "up"
        if k > 1:
            yield f"{module}.basic_layer2.ch_down", f"W_d_prime_{k}", "down"
            yield f"{module}.basic_layer2.ch_up", f"W_u_prime_{k}", "up"


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every array of the authors' FNet, by their names, filters as OIHW."""
    shapes: dict[str, tuple[int, ...]] = {}
    for block in BLOCKS:
        channels = 2 if block == "net_z" else 1
        shapes |= {f"{block}.{name}": (1,) for name in ("w_theta", "b_theta", "w_ro", "b_ro")}
        for theirs, _, direction in block_names():
            outputs, inputs = (FEATURES, channels) if direction == "up" else (channels, FEATURES)
            shapes[f"{block}.{theirs}.weight"] = (outputs, inputs, SIZE, SIZE)
    shapes |= {f"{theirs}.weight": (1, FEATURES, SIZE, SIZE) for theirs in FILTERS}
    return shapes


def convert(arrays: Mapping[str, np.ndarray], *, source: str = "the weights") -> Parameters:
    """Turns the authors' arrays into parameters of ``FNet()`` with its default settings.

    Args:
        arrays: their arrays by their names, filters as OIHW (shapes as :func:`expected_shapes`).
        source: what to call the arrays in an error, such as their file's name.

    Returns:
        ``{"params": …}`` of 419,916 float32 numbers, for ``FNet().apply``.

    Raises:
        InputError: a name is missing or unknown, a shape does not fit, a value is not finite, or a
            slope of eq. 21 has the wrong sign; the message gives the name and the shape.
    """
    shapes = expected_shapes()
    for name, shape in shapes.items():
        if name not in arrays:
            raise InputError(f"{source}: not the authors' FNet: it lacks {name} of shape {shape}")
        found = np.shape(arrays[name])
        if found != shape:
            raise InputError(
                f"{source}: not the authors' FNet: {name} has shape {found}, expected {shape}"
            )
        if not np.issubdtype(np.asarray(arrays[name]).dtype, np.floating):
            kind = np.asarray(arrays[name]).dtype
            raise InputError(f"{source}: not the authors' FNet: {name} of shape {shape} is {kind}")
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{source}: {name} of shape {shape} holds NaN or infinity")
    for name in arrays:
        if name not in shapes:
            raise InputError(
                f"{source}: not the authors' FNet: it has {name} of shape {np.shape(arrays[name])},"
                f" which FNet has not"
            )

    def filters(name: str) -> np.ndarray:
        return np.ascontiguousarray(np.transpose(arrays[name], (2, 3, 1, 0)), dtype=np.float32)

    def free_slope(name: str, sign: int) -> np.ndarray:
        slope = sign * float(arrays[name][0])
        if slope <= 0:
            raise InputError(f"{source}: {name} must be {'>' if sign > 0 else '<'} 0 (eq. 21)")
        return np.asarray(inverse_softplus(slope), np.float32)

    params: Parameters = {ours: filters(f"{theirs}.weight") for theirs, ours in FILTERS.items()}
    for block, ours in BLOCKS.items():
        params[ours] = {
            "w_theta": free_slope(f"{block}.w_theta", -1),
            "b_theta": np.asarray(arrays[f"{block}.b_theta"][0], np.float32),
            "w_rho": free_slope(f"{block}.w_ro", +1),
            "b_rho": np.asarray(arrays[f"{block}.b_ro"][0], np.float32),
        }
        for theirs, name, direction in block_names():
            bank = filters(f"{block}.{theirs}.weight")
            if block == "net_z":  # their two image channels are I2, I1; ours are I1, I2
                bank = bank[:, :, ::-1] if direction == "up" else bank[..., ::-1]
            params[ours][name] = np.ascontiguousarray(bank)
    return {"params": params}


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a weights file by name.

    Args:
        path: a PyTorch file (``.pth``, ``.pt``; needs PyTorch, and loads tensors only, never code)
            or a NumPy archive (``.npz``).

    Raises:
        InputError: the file is missing, damaged, of another kind, or PyTorch is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the authors' FNet.pth or an .npz of it")
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    if path.suffix.lower() in (".pth", ".pt"):
        return _read_torch(path)
    raise InputError(f"{path}: weights must be a .pth, .pt or .npz file")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds for a damaged archive
        raise InputError(
            f"{path}: not a readable .npz archive of arrays ({first_line(error)}); copy it again"
        ) from error


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: reading it needs PyTorch: pip install torch, or convert it to .npz elsewhere"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is not one of its own
        raise InputError(
            f"{path}: not a PyTorch file of plain tensors ({first_line(error)}); copy it again"
        ) from error
    if not isinstance(state, Mapping):
        raise InputError(f"{path}: not the authors' FNet: it holds a {type(state).__name__}")
    arrays = {}
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise InputError(
                f"{path}: not the authors' FNet: {name} is a {type(tensor).__name__}, not a tensor"
            )
        arrays[str(name)] = tensor.detach().to_dense().to(torch.float64).numpy()
    return arrays
