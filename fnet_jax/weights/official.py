"""The published weights of FNet's authors, as parameters of this FNet.

Their network takes the infrared image first, stores filters as OIHW and keeps the slopes of eq. 21
themselves, where ours are free parameters behind a softplus. Their block ``net_u`` codes I2,
``net_v`` codes I1 and ``net_z`` the common features, whose input channels are I2, I1.

A file is inspected before it is read: names, shapes and types come first, so that another network
or an archive that unpacks to more than fits into memory is refused at once.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.networks.fnet import FNet
from fnet_jax.sparse_coding.schedule import inverse_softplus

Parameters = dict[str, Any]
"""Parameters of a network as linen nests them, ``{"params": {block: {name: array}}}``."""

BLOCKS = {"net_v": "u1", "net_u": "u2", "net_z": "c"}
"""Our code by their block."""
DECODERS = ("conv_v", "decoder.conv_3", "conv_u", "decoder.conv_1", "decoder.conv_2")
"""Their decoders in the order of :attr:`fnet_jax.FNet.DECODERS`."""
SCALARS = {"w_theta": "w_theta", "b_theta": "b_theta", "w_rho": "w_ro", "b_rho": "b_ro"}
"""Their parameters of eq. 21 by our names."""

MODULES = ("x0_block", "x1_block", "IM.0", "IM.1", "IM.2")
LAYERS = ("x1_block.basic_layer", *(f"IM.{i}.basic_layer1" for i in range(3)))
FORMER = tuple(f"IM.{i}.basic_layer2" for i in range(3))
BANKS = (
    *(f"{module}.conv_in" for module in MODULES),
    *(f"{layer}.ch_down" for layer in LAYERS),
    *(f"{layer}.ch_up" for layer in LAYERS),
    *(f"{layer}.ch_down" for layer in FORMER),
    *(f"{layer}.ch_up" for layer in FORMER),
)
"""Their filters of a block in the order of :meth:`~fnet_jax.lzsc.LZSC.filters`."""

HEADER = 2**14  # bytes; largest header of an .npy file; FNet's take 128
LARGEST = 2**26  # bytes that a .pth file may unpack to; FNet's unpacks to 1.7 MB


class Array(NamedTuple):
    """Shape and type of an array that has not been read."""

    shape: tuple[int, ...]
    dtype: Any


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every array of the authors' FNet, by their names, filters as OIHW."""
    network = FNet()
    coder = network.coder()
    shapes: dict[str, tuple[int, ...]] = {}
    for block, code in BLOCKS.items():
        filters = coder.filters(network.CODES[code]).values()
        shapes |= {f"{block}.{SCALARS[name]}": (1,) for name in coder.free()}
        for theirs, bank in zip(BANKS, filters, strict=True):
            shapes[f"{block}.{theirs}.weight"] = _oihw(bank.shape)
    return shapes | {f"{theirs}.weight": _oihw(coder.down_shape(1)) for theirs in DECODERS}


def _oihw(shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    height, width, inputs, outputs = shape
    return outputs, inputs, height, width


def check_fit(found: Mapping[str, Any], *, source: str) -> None:
    """Raises InputError, naming the array, unless these are the arrays of the authors' FNet.

    ``found`` has arrays, or their shapes and types, by the authors' names.
    """
    shapes = expected_shapes()
    for name, shape in shapes.items():
        if name not in found:
            raise InputError(
                f"{source} is not the authors' FNet: {name} of shape {shape} is missing"
            )
        if tuple(found[name].shape) != shape:
            raise InputError(
                f"{source} is not the authors' FNet: {name} has shape {tuple(found[name].shape)}, "
                f"expected {shape}"
            )
        if not np.issubdtype(found[name].dtype, np.floating):
            raise InputError(
                f"{source} is not the authors' FNet: {name} is {found[name].dtype}, not floating "
                f"point"
            )
    for name in found:
        if name not in shapes:
            raise InputError(
                f"{source} is not the authors' FNet: FNet has no {name} of shape "
                f"{tuple(found[name].shape)}"
            )


def convert(arrays: Mapping[str, np.ndarray], *, source: str = "the weights") -> Parameters:
    """Turns the authors' arrays into parameters of ``FNet()`` with its default settings.

    Args:
        arrays: arrays by the authors' names, filters as OIHW (shapes of :func:`expected_shapes`).
        source: name of the source in an error, such as the file.

    Returns:
        ``{"params": …}`` of 419,916 float32 numbers, for ``FNet().apply``.

    Raises:
        InputError: a name is missing or unknown, a shape does not fit, a value is not finite, or a
            slope of eq. 21 has the wrong sign; the message gives the name and the shape.
    """
    check_fit(arrays, source=source)
    for name, array in arrays.items():
        with np.errstate(over="ignore"):  # an overflow gives infinity
            finite = np.isfinite(np.asarray(array, np.float32)).all()
        if not finite:
            raise InputError(f"{source}: {name} contains NaN or infinity")

    def filters(name: str) -> np.ndarray:
        return np.ascontiguousarray(np.transpose(arrays[name], (2, 3, 1, 0)), dtype=np.float32)

    def free(name: str) -> np.ndarray:
        return np.asarray(arrays[name][0], np.float32)

    def free_slope(name: str, sign: int) -> np.ndarray:
        slope = sign * float(arrays[name][0])
        if slope <= 0:
            raise InputError(f"{source}: {name} must be {'>' if sign > 0 else '<'} 0 (eq. 21)")
        return np.asarray(inverse_softplus(slope), np.float32)

    readers: dict[str, Callable[[str], np.ndarray]] = {
        "w_theta": lambda name: free_slope(name, -1),
        "w_rho": lambda name: free_slope(name, +1),
    }
    network = FNet()
    coder = network.coder()
    names = zip(DECODERS, FNet.DECODERS, strict=True)
    params: Parameters = {ours: filters(f"{theirs}.weight") for theirs, ours in names}
    for block, code in BLOCKS.items():
        own = {n: readers.get(n, free)(f"{block}.{SCALARS[n]}") for n in coder.free()}
        banks = coder.filters(network.CODES[code])
        for theirs, (name, bank) in zip(BANKS, banks.items(), strict=True):
            W = filters(f"{block}.{theirs}.weight")
            # Their channels of c are I2, I1; ours are I1, I2. A single channel does not change.
            own[name] = np.ascontiguousarray(W[:, :, ::-1] if bank.leads else W[..., ::-1])
        params[network.block_name(code)] = own
    return {"params": params}


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the arrays of the authors' FNet by name.

    Args:
        path: a PyTorch file (``.pth``, ``.pt``; needs PyTorch, and loads only tensors, never code)
            or a NumPy archive (``.npz``).

    Raises:
        InputError: the file is missing, damaged, of another network or cannot be read, or PyTorch
            is not installed.
    """
    path = Path(path)
    readers = {".npz": _read_npz, ".pth": _read_torch, ".pt": _read_torch}
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise InputError(f"{path} {what}; use the authors' FNet.pth or an .npz of it")
        if path.suffix.lower() not in readers:
            raise InputError(f"{path} is not a .pth, .pt or .npz file; use one of these")
        path.open("rb").close()
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); check its permissions and the disk"
        ) from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name.removesuffix(".npy"): name for name in archive.namelist()}
            if len(found) < len(archive.namelist()):
                raise ValueError("it contains a name twice")
            check_fit({n: _header(archive, m) for n, m in found.items()}, source=str(path))
            return {n: _array(archive, member) for n, member in found.items()}
    except (InputError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds for a damaged archive
        raise InputError(
            f"{path} is not a readable .npz archive ({first_line(error)}); copy it again"
        ) from error


def _header(archive: zipfile.ZipFile, member: str) -> Array:
    """Shape and type of an array in an archive; only its header is unpacked."""
    with archive.open(member) as file:
        start = io.BytesIO(file.read(HEADER))
    version = np.lib.format.read_magic(start)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"{member} has version {version} of the .npy format")
    shape, _, dtype = readers[version](start)
    if dtype.hasobject:
        raise ValueError(f"{member} contains Python objects")
    return Array(shape, dtype)


def _array(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"reading {path} needs PyTorch; pip install torch, or convert it to .npz elsewhere"
        ) from error
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST:
                raise InputError(
                    f"{path} is not the authors' FNet: it unpacks to {size:,} bytes, FNet to less "
                    f"than {LARGEST:,}"
                )
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (InputError, OSError):
        raise
    except Exception as error:  # torch raises many kinds for a file that is not one of its own
        raise InputError(
            f"{path} is not a PyTorch file of plain tensors ({first_line(error)}); copy it again"
        ) from error
    if not isinstance(state, Mapping):
        raise InputError(f"{path} is not the authors' FNet: it holds a {type(state).__name__}")
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise InputError(
                f"{path} is not the authors' FNet: {name} is a {type(tensor).__name__}, not a "
                f"tensor"
            )
        if not tensor.is_floating_point():
            raise InputError(
                f"{path} is not the authors' FNet: {name} is {tensor.dtype}, not floating point"
            )
    kind = np.dtype(np.float64)
    check_fit({str(n): Array(tuple(t.shape), kind) for n, t in state.items()}, source=str(path))
    return {
        str(name): tensor.detach().to_dense().to(torch.float64).numpy()
        for name, tensor in state.items()
    }
