"""The authors' weights give the authors' images.

A sample of each set here; all that were published with ``pytest -m slow tests/test_published.py``.
"""

import json

import jax
import numpy as np
import pytest

from fnet_jax import Fuser, images
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import checkpoints, official

SETS = {  # folder: I1, I2, protocol, largest difference in grey levels
    "TNO": ("vi", "ir", "grey", 1),
    "NIR": ("VIS", "NIR", "grey", 1),
    "MRI_CT": ("CT", "MRI", "limited", 2),
    "MRI_PET": ("PET", "MRI", "limited", 2),
    "MRI_SPECT": ("SPECT", "MRI", "limited", 2),
}


@pytest.fixture(scope="module")
def checkpoint(official_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("official") / "ckpt"
    params = official.convert(official.read(official_folder / "FNet.npz"))
    checkpoints.save(path, FNet(), params)
    return path


def differences(checkpoint, data_folder, official_folder, name, stems):
    first, second, color, _ = SETS[name]
    fuser, found = Fuser.from_checkpoint(checkpoint), {}
    for stem in stems:
        i1, i2 = (data_folder / name / folder / f"{stem}.png" for folder in (first, second))
        fused = fuser.fuse(
            images.read(i1, grey=color == "grey"), images.read(i2, grey=True), color=color
        )
        published = images.read(official_folder / "outputs" / name / f"{stem}.png")
        found[stem] = int(np.abs(fused.astype(int) - published).max())
    return found


@pytest.mark.parametrize(
    ("name", "stems"),
    [
        ("TNO", ["07", "10"]),
        ("NIR", ["81"]),
        ("MRI_CT", ["11", "29"]),
        ("MRI_PET", ["11", "50"]),
        ("MRI_SPECT", ["11", "83"]),
    ],
)
def test_sample(checkpoint, data_folder, official_folder, name, stems):
    found = differences(checkpoint, data_folder, official_folder, name, stems)
    assert max(found.values()) <= SETS[name][3], found


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_all(checkpoint, data_folder, official_folder, name):
    stems = sorted(path.stem for path in (official_folder / "outputs" / name).iterdir())
    found = differences(checkpoint, data_folder, official_folder, name, stems)
    assert max(found.values()) <= SETS[name][3], found


def test_fused_values_of_the_golden_crops(data_folder, official_folder):
    """Computed by the authors' network in float64 (see ``made_with`` in the file)."""
    golden = json.loads((official_folder / "losses_golden.json").read_text())

    def crops(folder):
        pixels = [
            images.read(data_folder / "TNO" / folder / crop["file"], grey=True)[
                crop["row"] : crop["row"] + crop["size"],
                crop["column"] : crop["column"] + crop["size"],
            ]
            for crop in golden["batch"]
        ]
        return np.stack(pixels)[..., None] / np.float32(255)

    params = official.convert(official.read(official_folder / "FNet.npz"))
    fused = np.asarray(jax.jit(FNet().apply)(params, crops("vi"), crops("ir"))[0])
    expected = golden["fused"]
    assert abs(fused.mean() - expected["mean"]) < 1e-4
    assert abs(fused.std(ddof=1) - expected["std"]) < 1e-4
    np.testing.assert_allclose(fused[0, 0, :8, 0], expected["first_row_first_8"], atol=1e-4)


def test_learned_schedules_are_those_of_the_authors(official_folder):
    """θ and ρ of the three blocks, as the authors' own parameters give them by eq. 21."""
    arrays = official.read(official_folder / "FNet.npz")
    params = official.convert(arrays)
    image = np.zeros((1, 8, 8, 1), np.float32)
    _, found = FNet().apply(params, image, image)
    for theirs, code in official.BLOCKS.items():
        block = found[FNet.block_name(code)]
        w_theta, b_theta, w_ro, b_ro = (
            float(arrays[f"{theirs}.{name}"][0]) for name in ("w_theta", "b_theta", "w_ro", "b_ro")
        )
        k = np.arange(5)
        theta = np.log1p(np.exp(w_theta * k + b_theta))
        rho = 1 - np.log1p(np.exp(b_ro)) / np.log1p(np.exp(w_ro * k + b_ro))
        np.testing.assert_allclose(block["theta"], theta, rtol=1e-5)  # float32
        np.testing.assert_allclose(block["rho"], rho, atol=1e-6)
