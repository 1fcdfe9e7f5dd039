import tracemalloc
import zipfile

import jax
import numpy as np
import oracle
import pytest

from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import official


@pytest.fixture
def arrays(rng):
    """Arrays with the names and shapes of the authors' network, and random values."""
    found = {
        name: rng.normal(scale=0.02, size=shape).astype(np.float32)
        for name, shape in official.expected_shapes().items()
    }
    for block in official.BLOCKS:
        found[f"{block}.w_theta"] = np.float32([-0.7])
        found[f"{block}.w_ro"] = np.float32([0.3])
    return found


def theirs(arrays, I1, I2):
    """The authors' network in their own order and layout: the infrared image comes first."""

    def correlate(x, name):
        return oracle.correlate(x, np.transpose(arrays[f"{name}.weight"], (2, 3, 1, 0)))

    def block(name, e):
        sp = lambda x: np.log1p(np.exp(x))
        w_theta, b_theta, w_ro, b_ro = (
            arrays[f"{name}.{x}"][0] for x in ("w_theta", "b_theta", "w_ro", "b_ro")
        )
        theta = [sp(w_theta * k + b_theta) for k in range(5)]
        rho = [1 - sp(b_ro) / sp(w_ro * k + b_ro) for k in range(5)]

        def layer(x, path):
            return x - correlate(correlate(x, f"{path}.ch_down"), f"{path}.ch_up")

        before = oracle.sigmoidal(correlate(e, f"{name}.x0_block.conv_in"), theta[0])
        value = (1 + rho[1]) * layer(before, f"{name}.x1_block.basic_layer")
        now = oracle.sigmoidal(value + correlate(e, f"{name}.x1_block.conv_in"), theta[1])
        for j in range(3):
            module = f"{name}.IM.{j}"
            value = (1 + rho[j + 2]) * layer(now, f"{module}.basic_layer1")
            value = value - rho[j + 2] * layer(before, f"{module}.basic_layer2")
            value = value + correlate(e, f"{module}.conv_in")
            before, now = now, oracle.sigmoidal(value, theta[j + 2])
        return now

    u, v = block("net_u", I2), block("net_v", I1)
    p, q = I2 - correlate(u, "conv_u"), I1 - correlate(v, "conv_v")
    z = block("net_z", np.concatenate([p, q], axis=3))
    return sum(correlate(x, f"decoder.conv_{i}") for x, i in ((u, 1), (z, 2), (v, 3)))


def test_every_array_lands_where_it_belongs(arrays, rng):
    params = official.convert(arrays)
    assert sum(x.size for x in jax.tree.leaves(params)) == 419_916
    image = jax.ShapeDtypeStruct((1, 8, 8, 1), np.float32)
    expected = jax.eval_shape(FNet().init, jax.random.key(0), image, image)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, expected)
    I1, I2 = rng.uniform(size=(2, 1, 12, 10, 1)).astype(np.float32)
    found = FNet().apply(params, I1, I2)[0]
    assert oracle.relative_error(found, theirs(arrays, I1, I2)) < 1e-5  # float32


def test_what_does_not_fit_is_named(arrays):
    name = "net_z.IM.1.basic_layer2.ch_up.weight"

    def refused(message, **changes):
        changed = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
        with pytest.raises(InputError, match=message):
            official.convert(changed, source="weights.npz")

    refused(
        r"weights\.npz is not the authors' FNet: .*ch_up\.weight has shape \(64, 1, 9, 9\), "
        r"expected \(64, 2, 9, 9\)",
        **{name: arrays[name][:, :1]},
    )
    refused(r"net_z\.IM\.1.* of shape \(64, 2, 9, 9\) is missing", **{name: None})
    refused(r"FNet has no head\.bias of shape \(3,\)", **{"head.bias": np.zeros(3)})
    refused("net_z.* is <U1, not floating point", **{name: np.full(arrays[name].shape, "a")})
    refused("net_z.* contains NaN", **{name: arrays[name] * np.nan})
    refused(r"net_u\.w_ro must be > 0", **{"net_u.w_ro": np.float32([-0.1])})
    refused(r"net_v\.w_theta must be < 0", **{"net_v.w_theta": np.float32([0.1])})


def test_npz(arrays, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    found = official.read(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    np.testing.assert_array_equal(found["conv_u.weight"], arrays["conv_u.weight"])
    (tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    assert official.read(tmp_path / "A.NPZ").keys() == arrays.keys()


def test_damaged_npz_is_refused_or_read(arrays, tmp_path, rng):
    """Flipped bytes anywhere give arrays or an InputError, nothing else."""
    small = {name: np.zeros_like(array) for name, array in arrays.items()}
    np.savez_compressed(tmp_path / "a.npz", **small)
    content = (tmp_path / "a.npz").read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for position in rng.integers(0, len(damaged), size=3):
            damaged[position] = rng.integers(0, 256)
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            official.read(tmp_path / "b.npz")
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 30


def npy(shape, *, kind="<f4", version=(1, 0), length=None, body=b""):
    """An .npy file whose header may lie."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}".encode()
    size = len(header) if length is None else length
    digits = size.to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + bytes(version) + digits + header + body


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net_v.w_theta", npy((10**12,)), r"net_v\.w_theta has shape \(1000000000000,\)"),
        ("net_v.w_theta", npy((1,), kind="|O"), "net_v.w_theta.npy contains Python objects"),
        ("net_v.w_theta", npy((1,), kind="<i4"), "net_v.w_theta is int32, not floating point"),
        ("net_v.w_theta", npy((1,)), "not a readable .npz"),  # nothing behind the header
        ("net_v.w_theta", npy((1,), version=(2, 0), length=2**31), "not a readable .npz"),
        ("net_v.w_theta", npy((1,), version=(9, 9)), "not a readable .npz.*version"),
        ("net_v.w_theta", npy("(" * 5000), "not a readable .npz"),
        ("net_v.w_theta", b"", "not a readable .npz"),
        ("extra", npy((2, 2)), r"FNet has no extra of shape \(2, 2\)"),
        ("README.txt", b"hello", "not a readable .npz"),
    ],
)
def test_archives_are_looked_at_before_they_are_unpacked(
    arrays, tmp_path, monkeypatch, name, content, message
):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for other, array in arrays.items():
            if other != name:
                archive.writestr(f"{other}.npy", npy(array.shape, body=bytes(array.nbytes)))
        archive.writestr(f"{name}.npy", content)
    unpacked = []
    read = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda file, n=-1: unpacked.append(n) or read(file, n)
    )
    with pytest.raises(InputError, match=message) as error:
        official.read(tmp_path / "a.npz")
    assert "\n" not in str(error.value)
    if content != npy((1,)):
        assert max(unpacked) <= official.HEADER
        assert min(unpacked) >= 0


def test_a_bomb_is_refused_cheaply(tmp_path):
    """64 MiB of zeros in 64 KiB, with a shape that FNet does not have."""
    content = npy((2**24,), body=bytes(2**26))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net_v.w_theta.npy", content)
    assert (tmp_path / "a.npz").stat().st_size < 2**17
    tracemalloc.start()
    with pytest.raises(InputError, match=r"is missing|has shape \(16777216,\)"):
        official.read(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_pth(arrays, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch, an optional extra, is not installed")
    torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, tmp_path / "a.pth")
    found = official.read(tmp_path / "a.pth")
    assert found.keys() == arrays.keys()
    np.testing.assert_array_equal(found["conv_u.weight"], arrays["conv_u.weight"])
    kinds = {k: torch.zeros(v.shape).to_sparse() for k, v in arrays.items()}
    kinds["net_v.w_theta"] = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    torch.save(kinds, tmp_path / "kinds.PTH")
    found = official.read(tmp_path / "kinds.PTH")
    np.testing.assert_array_equal(found["net_v.w_theta"], [1])
    assert not found["conv_u.weight"].any()
    torch.save({**kinds, "net_v.w_theta": torch.ones(1, dtype=torch.int32)}, tmp_path / "int.pth")
    with pytest.raises(InputError, match=r"net_v\.w_theta is torch\.int32, not floating point"):
        official.read(tmp_path / "int.pth")
    torch.save({**kinds, "net_v.w_theta": torch.zeros(3)}, tmp_path / "shape.pth")
    with pytest.raises(InputError, match=r"net_v\.w_theta has shape \(3,\), expected \(1,\)"):
        official.read(tmp_path / "shape.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="it holds a list"):
        official.read(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    with pytest.raises(InputError, match="epoch is a int, not a tensor"):
        official.read(tmp_path / "epoch.pth")


def test_a_large_pth_is_refused_unread(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch, an optional extra, is not installed")
    torch.save({"a": torch.zeros(official.LARGEST // 4 + 1)}, tmp_path / "a.pth")
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(InputError, match="not the authors' FNet: it unpacks to"):
        official.read(tmp_path / "a.pth")


def test_pth_with_code_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch, an optional extra, is not installed")
    torch.save({"a": Harmful(tmp_path / "ran")}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="not a PyTorch file of plain tensors"):
        official.read(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_published_pth_equals_npz(official_folder):
    pytest.importorskip("torch", reason="PyTorch, an optional extra, is not installed")
    pth, npz = (official.read(official_folder / f"FNet.{kind}") for kind in ("pth", "npz"))
    assert pth.keys() == npz.keys()
    for name in pth:
        np.testing.assert_array_equal(pth[name], npz[name])


def test_unreadable_files_are_named(tmp_path):
    for name in ("a.npz", "a.pth"):
        (tmp_path / name).write_bytes(b"not weights")
    np.savez(tmp_path / "objects.npz", a=np.array([{"code": 1}], dtype=object))
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    for name in ("a.npz", "objects.npz", "array.npz"):
        with pytest.raises(InputError, match=f"{name} is not a readable .npz archive"):
            official.read(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.pth (is not a PyTorch file|needs PyTorch)"):
        official.read(tmp_path / "a.pth")
    with pytest.raises(InputError, match="does not exist"):
        official.read(tmp_path / "gone.npz")
    (tmp_path / "a.h5").touch()
    with pytest.raises(InputError, match=r"is not a \.pth, \.pt or \.npz file"):
        official.read(tmp_path / "a.h5")
