import io
import warnings

import numpy as np
import pytest

from fnet_jax import Fuser
from fnet_jax.explain import colors
from fnet_jax.explain.explanation import explain
from fnet_jax.explain.figures import dictionaries, drawings
from fnet_jax.explain.report import COUNT
from fnet_jax.fusing.edits import CODES, Edit
from fnet_jax.synthetic import night_street


@pytest.fixture(scope="module")
def fuser(small_network):
    return Fuser(*small_network)


@pytest.fixture(scope="module")
def explained(fuser):
    return explain(fuser, *night_street(24, 30), edit=Edit(c=0), strongest=2)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in (axes.title, *axes.texts)]


@pytest.fixture(scope="module")
def drawn(explained):
    """The axes of each figure that show something, by its name."""
    return {
        drawing.name: [axes for axes in drawing.draw(explained).axes if axes.has_data()]
        for drawing in drawings(explained)
    }


def shown(axes):
    return np.asarray(axes.images[0].get_array(), np.float64)


def test_maps_are_in_their_places(explained, drawn):
    expected = []
    for block in explained.blocks.values():
        expected += [np.sqrt(block.energy), *np.moveaxis(block.strongest, 2, 0)]
    for axes, image in zip(drawn["features"], expected, strict=True):
        np.testing.assert_array_equal(shown(axes), image)
    names = ["I1", "I2", "I1_hat", "I2_hat", "If_u1", "If_u2", "If_c", "If"]
    for axes, name in zip(drawn["reconstructions"], names, strict=True):
        np.testing.assert_array_equal(shown(axes), explained.images[name])
        assert name.removesuffix("_hat")[-2:] in axes.get_title().replace("Î", "I")
    before, after = (explained.images[name] for name in ("If", "If_edited"))
    for axes, image in zip(drawn["whatif"], (before, after, after - before), strict=True):
        np.testing.assert_array_equal(shown(axes), image)


def test_shares_are_in_their_places_and_the_legend_tells_their_colors(explained, drawn):
    If, who, legend, *single = drawn["shares"]
    np.testing.assert_array_equal(shown(If), explained.images["If"])
    np.testing.assert_allclose(shown(who), colors.mixed(explained.shares))
    for axes, code, share in zip(single, CODES, np.moveaxis(explained.shares, 2, 0), strict=True):
        np.testing.assert_array_equal(shown(axes), share)
        assert axes.get_title().startswith(f"{code},")
    picture, (left, right, bottom, top) = shown(legend), legend.images[0].get_extent()
    rows, columns = picture.shape[:2]
    inside = (picture < 1).any(axis=2)
    y, x = np.nonzero(inside)
    places = {
        text.get_text()[: 2 if text.get_text()[0] == "u" else 1]: text.get_position()
        for text in legend.texts
        if text.get_text()[0] in "uc"
    }
    assert places.keys() == set(CODES)
    for code, (at_x, at_y) in places.items():
        across = left + (x + 0.5) / columns * (right - left) - at_x
        up = top - (y + 0.5) / rows * (top - bottom) - at_y
        nearest = np.argmin(across**2 + up**2)
        # Of the corner's 160th part, which is half a pixel of the legend away from it.
        np.testing.assert_allclose(picture[y[nearest], x[nearest]], colors.rgb(code), atol=0.02)


def test_curves_are_those_of_their_titles(explained, drawn):
    of = {
        "threshold θᵏ": lambda block: block.theta,
        "momentum ρᵏ": lambda block: block.rho,
        "increase of the nulls, %": lambda block: block.null_increase,
        "nonzeros per pixel (ℓ0)": lambda block: block.nonzeros,
        "‖uᵏ − uᵏ⁻¹‖ / ‖uᵏ‖": lambda block: block.convergence.relative_step,
        "residual seen": lambda block: block.convergence.seen,
        "residual decoded": lambda block: block.convergence.decoded,
        "‖uᵏ − uᵏ⁻¹‖": lambda block: block.convergence.step,
    }
    panels = drawn["schedule"] + drawn["convergence"]
    assert [axes.get_title() for axes in panels] == list(of)
    for axes in panels:
        codes = ("u1", "u2") if "decoded" in axes.get_title() else CODES
        assert [line.get_label() for line in axes.lines] == list(codes)
        for line, code in zip(axes.lines, codes, strict=True):
            expected = of[axes.get_title()](explained.blocks[code])
            np.testing.assert_array_equal(line.get_ydata(), expected)


def test_histograms_are_those_of_their_titles(explained, drawn):
    panels = iter(drawn["nulls"])
    for which in ("histogram", "near"):
        for code, block in explained.blocks.items():
            axes, histogram = next(panels), getattr(block, which)
            assert axes.get_title().startswith(f"{code}: {'near' if which == 'near' else 'nulls'}")
            by_label = {stairs.get_label(): stairs.get_data() for stairs in axes.patches}
            np.testing.assert_array_equal(by_label["before"].values, histogram.before)
            np.testing.assert_array_equal(by_label["after"].values, histogram.after)
            np.testing.assert_array_equal(by_label["after"].edges, histogram.edges)


def test_sheets_say_of_each_filter_what_it_is(explained, drawn):
    block = explained.blocks["c"]
    panels = {axes.get_title(): axes for axes in drawn["dictionaries_c"]}
    for title, name, channel in (("W_d_1, image 2", "W_d_1", 1), ("G", "G", 0)):
        use, filters = block.use_of(name), block.dictionaries[name][:, channel]
        labels = [text.get_text().split("\n")[0] for text in panels[title].texts]
        assert labels == [str(j) for j in use.order]
        image, size = shown(panels[title]), filters.shape[1]
        for i, (j, text) in enumerate(zip(use.order, panels[title].texts, strict=True)):
            top, left = dictionaries.place(i, filters.shape)
            part = image[top : top + size, left : left + size]
            np.testing.assert_allclose(part * np.abs(filters[j]).max(), filters[j], atol=1e-6)
            x, y = text.get_position()
            assert (round(x), round(y)) == (left + size // 2, top + size)


def test_narrow_images_have_their_limits_in_the_title(fuser):
    wide = explain(fuser, *night_street(3, 60))
    figure = next(drawings(wide)).draw(wide)
    assert all(" to " in axes.get_title() for axes in figure.axes)


def test_every_figure_is_drawn_without_a_warning(explained):
    found = list(drawings(explained))
    assert len({drawing.name for drawing in found}) == len(found) == COUNT + 1
    for drawing in found:
        assert drawing.caption.endswith(".")
        with warnings.catch_warnings(action="error"):
            drawing.draw(explained).savefig(io.BytesIO(), format="svg")


def test_without_an_edit_there_is_no_figure_of_it(fuser):
    names = [drawing.name for drawing in drawings(explain(fuser, *night_street(16, 16)))]
    assert len(names) == COUNT
    assert "whatif" not in names


def test_one_black_pixel_can_be_drawn(fuser):
    black = np.zeros((1, 1), np.uint8)
    explained = explain(fuser, black, black, edit=Edit(theta_scale=2))
    for drawing in drawings(explained):
        drawing.draw(explained).savefig(io.BytesIO(), format="svg")


def test_titles_tell_the_numbers(explained):
    by_name = {drawing.name: drawing for drawing in drawings(explained)}
    use = explained.blocks["c"].use
    first = f"c:{use.order[0]}\n{100 * use.energy[use.order[0]]:.1f} % energy"
    assert any(text.startswith(first) for text in texts(by_name["features"].draw(explained)))
    block = explained.blocks["u1"]
    nulls = f"u1: nulls {block.nulls_before[-1]:,} → {block.nulls_after[-1]:,}"
    assert any(text.startswith(nulls) for text in texts(by_name["nulls"].draw(explained)))
    atoms = [text.split("\n")[0] for text in texts(by_name["atoms_c"].draw(explained)) if text]
    assert atoms == [f"c:{j}" for j in use.order]
    figure = by_name["dictionaries_c"].draw(explained)
    sheets = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert sheets[:2] == ["W_e_0, image 1", "W_e_0, image 2"]
    assert sheets[-1] == "G"


def test_a_sheet_holds_every_filter_in_order(rng):
    filters = rng.normal(size=(5, 3, 3))
    found = dictionaries.sheet(filters)
    assert found.shape == (2 * 8, 3 * 4 - 1)
    for i in range(5):
        part = found[i // 3 * 8 :, i % 3 * 4 :][:3, :3]
        np.testing.assert_allclose(part, filters[i] / np.abs(filters[i]).max(), rtol=1e-6)
    assert np.isnan(found[3:8]).all()
    assert np.isnan(found[8:, 8:]).all()
