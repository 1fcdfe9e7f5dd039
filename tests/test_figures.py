import io
import warnings

import numpy as np
import pytest

from fnet_jax import Fuser
from fnet_jax.explain.explanation import explain
from fnet_jax.explain.figures import dictionaries, drawings
from fnet_jax.explain.report import COUNT
from fnet_jax.synthetic import night_street
from fnet_jax.whatif import Edit


@pytest.fixture(scope="module")
def fuser(small_network):
    return Fuser(*small_network)


@pytest.fixture(scope="module")
def explained(fuser):
    return explain(fuser, *night_street(24, 30), edit=Edit(c=0), strongest=2)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in (axes.title, *axes.texts)]


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
    sheets = [text for text in texts(by_name["dictionaries_c"].draw(explained)) if text]
    assert sheets[:2] == ["W_e_0, image 1", "W_e_0, image 2"]
    assert sheets[-1] == "G"


def test_a_sheet_holds_every_filter_in_order(rng):
    filters = rng.normal(size=(5, 3, 3))
    found = dictionaries.sheet(filters)
    assert found.shape == (2 * 4 - 1, 3 * 4 - 1)
    for i in range(5):
        part = found[i // 3 * 4 :, i % 3 * 4 :][:3, :3]
        np.testing.assert_allclose(part, filters[i] / np.abs(filters[i]).max(), rtol=1e-6)
    assert np.isnan(found[3]).all()
    assert np.isnan(found[4:, 8:]).all()
