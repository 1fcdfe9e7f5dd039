import inspect
import json
import subprocess
import sys
import warnings

import metrics_oracle as oracle
import numpy as np
import pytest

from fnet_jax import images, metrics
from fnet_jax.errors import InputError
from fnet_jax.metrics import METRICS, PROFILES, evaluate

FOLDERS = {"TNO": "vi ir", "NIR": "VIS NIR"} | {
    f"MRI_{modality}": f"{modality} MRI" for modality in ("CT", "PET", "SPECT")
}


@pytest.fixture
def triple(rng):
    """Two smooth random sources and a fused image between them, uint8 (48, 57)."""

    def smooth():
        waves = rng.normal(size=(4, 4))
        y, x = np.mgrid[:48, :57]
        grid = [
            np.sin((i + 1) * y / 9) * np.cos((j + 1) * x / 8) for i in range(4) for j in range(4)
        ]
        image = np.tensordot(waves.ravel(), grid, axes=1) + 0.3 * rng.normal(size=(48, 57))
        return np.clip(128 + 30 * image, 0, 255).astype(np.uint8)

    I1, I2 = smooth(), smooth()
    return I1, I2, ((I1.astype(int) + I2) // 2).astype(np.uint8)


def test_the_paper_s_profile_gives_the_golden_values(data_folder, official_folder):
    """20 published images; computed as ``made_with`` in the file says."""
    golden = json.loads((official_folder / "metrics_golden.json").read_text())["values"]
    assert len(golden) == 20
    for name, expected in golden.items():
        folder, file = name.split("/")
        first, second = FOLDERS[folder].split()
        I1, I2 = (images.read(data_folder / folder / x / file) for x in (first, second))
        found = evaluate(I1, I2, images.read(official_folder / "outputs" / folder / file))
        # Which way halves of the luma were rounded there is not known: CE and Qcb feel that.
        assert found == pytest.approx(expected, rel=1e-3), name


TOOLBOX = {
    "MI": "Mutinf",
    "CE": "Cross_entropy",
    "Qabf": "Qabf",
    "Qcb": "Qcb",
    "SSIM": "Ssim",
    "EN": "Entropy",
    "SD": "Variance",
    "SF": "Spatial_frequency",
    "AG": "Avg_gradient",
    "PSNR": "Psnr",
}


def vifb(data_folder):
    """Name of scene and method, what MATLAB printed by our names of the metrics, and the images."""
    folder = data_folder / "VIFB"
    values, more = (
        json.loads((folder / f"matlab_{which}.json").read_text()) for which in ("values", "more")
    )
    for name in values:
        scene = name.split("_")[0]
        paths = (folder / "VI" / scene, folder / "IR" / scene, folder / "fused" / name)
        triple = [images.read(path.with_suffix(".jpg")) for path in paths]
        printed = values[name] | more[name]
        yield name, {metric: printed[theirs] for metric, theirs in TOOLBOX.items()}, triple


def test_the_toolbox_s_profile_gives_what_matlab_printed(data_folder):
    cases = list(vifb(data_folder))
    assert len(cases) == 24
    assert TOOLBOX.keys() == PROFILES["vifb"].options.keys()
    for name, printed, (I1, I2, If) in cases[::3]:  # each scene and method; all in the slow test
        found = evaluate(I1, I2, If, profile="vifb", metrics=list(printed))
        assert found == pytest.approx(printed, rel=1e-4), name  # five digits are printed


@pytest.mark.slow
def test_the_toolbox_s_profile_gives_all_that_matlab_printed(data_folder):
    for name, printed, (I1, I2, If) in vifb(data_folder):
        found = evaluate(I1, I2, If, profile="vifb", metrics=list(printed))
        assert found == pytest.approx(printed, rel=1e-4), name


@pytest.mark.parametrize("name", METRICS)
def test_literal_formulas_give_the_same(triple, name):
    # Sums in another order: some 1e-12 of rounding, more where variances cancel.
    expected = oracle.PAPER[name](*triple)
    assert evaluate(*triple, metrics=[name])[name] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", oracle.VIFB)
def test_literal_formulas_of_the_toolbox_give_the_same(triple, name):
    expected = oracle.VIFB[name](*triple)
    found = evaluate(*triple, profile="vifb", metrics=[name])[name]
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_order_of_the_sources_does_not_matter(triple, profile):
    I1, I2, If = triple
    assert evaluate(I2, I1, If, profile=profile) == pytest.approx(
        evaluate(I1, I2, If, profile=profile), rel=1e-12
    )


def test_what_the_definitions_give_for_equal_images(triple):
    image = triple[0]
    found = evaluate(image, image, image, profile="textbook")
    assert found["MI"] == pytest.approx(2 * found["EN"])  # I(X; X) = H(X), twice
    # What the sigmoids of Qabf reach where strength and direction are kept.
    kept = 0.9994 / (1 + np.exp(-15 * (1 - 0.5))) * 0.9879 / (1 + np.exp(-22 * (1 - 0.8)))
    perfect = {"CE": 0, "VIF": 1, "Qabf": kept, "Qcb": 1, "SSIM": 1, "CC": 1, "MSE": 0}
    assert {name: found[name] for name in perfect} == pytest.approx(perfect, abs=1e-5)
    assert found["PSNR"] == np.inf
    assert np.isnan(found["SCD"])  # both differences are 0 everywhere


@pytest.mark.parametrize("profile", PROFILES)
def test_a_better_fused_image_scores_better(triple, profile):
    """Noise makes every metric of likeness to the sources worse, in the direction it states."""
    I1, I2, If = triple
    noise = np.random.default_rng(1).integers(-60, 60, If.shape)
    worse = np.clip(If + noise, 0, 255).astype(np.uint8)
    good, bad = (evaluate(I1, I2, x, profile=profile) for x in (If, worse))
    # Not MI, whose estimate from so few pixels grows with the number of levels, noise or not; not
    # Qcb, to which the contrast of noise is as good as any.
    for name in good.keys() & {"VIF", "Qabf", "SSIM", "CC", "PSNR", "MSE"}:
        assert (good[name] > bad[name]) == METRICS[name].higher_is_better, name
    for name in good.keys() & {"SF", "AG", "SD"}:  # these only look at the fused image
        assert bad[name] > good[name], name


@pytest.mark.parametrize("profile", PROFILES)
def test_grey_stored_as_color_is_grey(triple, profile):
    colors = [np.stack([image] * 3, axis=2) for image in triple]
    expected = evaluate(*triple, profile=profile)
    found = evaluate(colors[0], *triple[1:], profile=profile)
    assert found == pytest.approx(expected, rel=1e-12)
    found = evaluate(*colors, profile=profile)
    for name in PROFILES[profile].side_by_side:  # there the seams of the fused image count
        assert found.pop(name) > expected.pop(name)
    assert found == pytest.approx(expected, rel=1e-12)


def test_color_channels_are_scored_one_by_one_in_the_toolbox_s_profile(triple):
    I1, I2, If = (np.stack([x, 255 - x, x // 2], axis=2) for x in triple)
    each = [evaluate(*(x[..., k] for x in (I1, I2, If)), profile="vifb") for k in range(3)]
    expected = {name: np.mean([values[name] for values in each]) for name in each[0]}
    beside = np.concatenate([If[..., k] for k in range(3)], axis=1)
    expected["SF"] = metrics.sf(beside, beside, beside, over="pixels")
    assert evaluate(I1, I2, If, profile="vifb") == pytest.approx(expected)


BLACK, FLAT = np.zeros((48, 57), np.uint8), np.full((48, 57), 9, np.uint8)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("which", range(1, 8))
@pytest.mark.parametrize("constant", [BLACK, FLAT])
def test_constant_images_give_stated_values_without_a_warning(triple, profile, which, constant):
    chosen = [constant if which & 1 << k else image for k, image in enumerate(triple)]
    with warnings.catch_warnings(action="error"):
        found = evaluate(*chosen, profile=profile)
    for name, value in found.items():
        assert np.isfinite(value) or not METRICS[name].undefined.startswith("never"), name
    assert found["MI"] >= 0
    if which == 7:
        assert found["EN"] == found["MI"] == found["SD"] == 0
        assert np.isnan(found["Qcb"])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (7, 7), (11, 40), (41, 41)])
def test_tiny_images_give_stated_values_without_a_warning(rng, profile, shape):
    I1, I2, If = rng.integers(0, 256, (3, *shape), np.uint8)
    with warnings.catch_warnings(action="error"):
        found = evaluate(I1, I2, If, profile=profile)
    for name, value in found.items():
        assert np.isfinite(value) or not METRICS[name].undefined.startswith("never"), name
    if min(shape) >= 41:
        assert all(map(np.isfinite, found.values()))


def test_every_metric_states_what_it_is():
    for metric in METRICS.values():
        for field in ("title", "formula", "unit", "range", "undefined", "source"):
            assert getattr(metric, field), f"{metric.name} has no {field}"
    assert {m.name for m in METRICS.values() if not m.higher_is_better} == {"CE", "MSE"}
    assert {m.name for m in METRICS.values() if m.arrow == "↓"} == {"CE", "MSE"}


def test_what_a_metric_states_does_not_depend_on_docstrings():
    code = "from fnet_jax import metrics; print(metrics.explain())"
    plain, stripped = (
        subprocess.run([sys.executable, *flags, "-c", code], check=True, capture_output=True)
        for flags in ([], ["-OO"])
    )
    assert plain.stdout
    assert stripped.stdout == plain.stdout


def test_functions_default_to_the_textbook_and_describe_every_option():
    for name, options in PROFILES["textbook"].options.items():
        metric = METRICS[name]
        parameters = inspect.signature(metric.function).parameters.values()
        keyword_only = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert keyword_only == options, name
        assert metric.options.keys() == options.keys(), name
        for profile in PROFILES.values():
            chosen = profile.options.get(name, options)
            assert chosen.keys() == options.keys(), name
            metric.check(chosen)


@pytest.mark.parametrize(
    ("name", "option"), [(m.name, option) for m in METRICS.values() for option in m.options]
)
def test_a_value_that_an_option_cannot_have_is_refused(triple, name, option):
    function = METRICS[name].function
    for value in ("mes", "", None, -1.0, float("nan"), float("inf"), ["sum"], np.zeros((9, 9))):
        with pytest.raises(InputError, match=rf"^{name}: {option} is .*; use ") as error:
            function(*triple, **{option: value})
        assert str(METRICS[name].options[option]) in str(error.value)
        assert "\n" not in str(error.value)


def test_every_value_that_an_option_can_have_is_computed(triple):
    for metric in METRICS.values():
        for name, option in metric.options.items():
            for value in getattr(option, "values", (1, 255.0, np.float32(2))):
                assert np.isfinite(metric.function(*triple, **{name: value})), (metric.name, name)


def test_explain_states_every_option_and_why():
    text = metrics.explain()
    for name, metric in METRICS.items():
        alone = metrics.explain([name])
        assert f"{name} {metric.arrow}  {metric.title}" in alone
        for profile in PROFILES.values():
            for key, value in profile.options.get(name, {}).items():
                assert f"{key} = {value}" in alone
        assert alone[alone.index(f"{name} {metric.arrow}") :] in text
        variants = [profile.options.get(name) for profile in PROFILES.values()]
        if any(a != b for a in variants for b in variants if None not in (a, b)):
            assert "why: All profiles that have it agree" not in alone, name
    with pytest.raises(InputError, match="unknown metric 'QQ'; use one of MI"):
        metrics.explain(["QQ"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, b, f: (a.astype(float), b, f), "I1 is float64"),
        (lambda a, b, f: (a, b[None], f), r"I2 is uint8 of shape \(1, 48, 57\)"),
        (lambda a, b, f: (a, b, f[:0]), "If is uint8"),
        (lambda a, b, f: (a, b, f[:, 1:]), "If is 56×48"),
    ],
)
def test_what_is_not_such_an_image_is_refused(triple, spoil, message):
    with pytest.raises(InputError, match=message):
        evaluate(*spoil(*triple))


def test_unknown_names_are_refused(triple):
    with pytest.raises(InputError, match="unknown profile 'mine'; use one of paper, vifb"):
        evaluate(*triple, profile="mine")
    with pytest.raises(InputError, match="profile vifb has no metric 'VIF'; it has MI, CE"):
        evaluate(*triple, profile="vifb", metrics=["VIF"])


def test_metrics_need_no_jax():
    code = "import fnet_jax.metrics, fnet_jax.scoring, sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
