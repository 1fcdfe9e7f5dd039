import base64
import io
import re
import warnings

import numpy as np
import pytest
from html_elements import Elements
from made_up_scores import INF, NAN, compared, noisy, scored
from PIL import Image

from fnet_jax.metrics import METRICS
from fnet_jax.scoring.page import THUMBNAIL, distributions, extremes, page

PROVENANCE = {"date": "2026-01-31", "weights": "<0123>"}


def pictures_of(scores, *, shape=(30, 40)):
    names = {name for both in extremes(scores).values() for name in both.best + both.worst}
    labels = ("I1", "I2", *scores.methods)
    return {name: [(label, np.full(shape, 90, np.uint8)) for label in labels] for name in names}


@pytest.fixture(scope="module")
def three():
    scores = noisy(np.random.default_rng(0), [1, 2, 3], images=9, metrics=("MI", "CE", "VIF"))
    comparison = compared(scores)
    return scores, comparison, page(scores, comparison, PROVENANCE, pictures_of(scores))


def test_the_page_needs_nothing_else(three):
    elements = Elements(three[2])
    assert elements.all("link") == []
    assert all("src" not in script for script in elements.all("script"))
    for tag, attributes in elements.found:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            if attributes.get(name):
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)", three[2])


def test_the_page_shows_means_and_marks(three):
    scores, comparison, text = three
    elements = Elements(text)
    spans = [a.get("class", "") for a in elements.all("span")]
    # Once more in the line above the table.
    assert spans.count("best") == (comparison.marks == "best").sum() + 1
    assert spans.count("second") == (comparison.marks == "second").sum() + 1
    hovers = [a["title"] for a in elements.all("td") if "title" in a]
    assert len(hovers) == 9
    assert all(re.fullmatch(r"95 % interval \S+ to \S+; 9 images", hover) for hover in hovers)
    sorting = [float(a["data-value"]) for a in elements.all("td") if "title" in a]
    np.testing.assert_array_equal(np.reshape(sorting, (3, 3)), comparison.means)


def test_the_page_explains_itself(three):
    scores, comparison, text = three
    texts = [text for _, text in Elements(text).texts]
    for name in scores.metrics:
        assert f"Formula: {METRICS[name].formula}" in texts
        assert METRICS[name].source in texts
    assert comparison.how in texts
    assert "<0123>" in texts


def test_text_in_the_plot_is_text_in_the_colour_of_the_page(three):
    elements = Elements(three[2])
    drawn = [text for tag, text in elements.texts if tag == "text"]
    assert {"A", "B", "C", "MI ↑", "CE ↓", "VIF ↑"} <= set(drawn)
    assert all("fill: currentColor" in text["style"] for text in elements.all("text"))
    dots = [use for use in elements.all("use") if "var(--dot)" in use["style"]]
    assert len(dots) == 3 * 9 * 3


def test_names_are_escaped_everywhere():
    names = ("<script>alert(1)</script>", 'a"b&c', "x|y_$z$%")
    scores = scored(np.random.default_rng(1).normal(size=(3, 6, 2)), methods=names)
    images = tuple(f"<b>{name}" for name in scores.images)
    scores = type(scores)(scores.profile, scores.metrics, scores.methods, images, scores.values)
    text = page(scores, compared(scores), {"<i>": "<u>"}, pictures_of(scores))
    elements = Elements(text)
    assert len(elements.all("script")) == 1
    assert not {"b", "i", "u"} & {tag for tag, _ in elements.found}
    shown = [text for tag, text in elements.texts if tag == "th"]
    assert set(names) <= set(shown)
    assert set(images) <= set(shown)
    assert "x|y_$z$%" in [text for tag, text in elements.texts if tag == "text"]


def test_pictures_are_small_jpeg_files(three):
    scores = noisy(np.random.default_rng(0), [1, 2], images=4)
    wide = page(scores, compared(scores), {}, pictures_of(scores, shape=(50, 2 * THUMBNAIL, 3)))
    for text, size in ((three[2], (40, 30)), (wide, (THUMBNAIL, 25))):
        sources = [a["src"].split(",") for a in Elements(text).all("img")]
        assert {kind for kind, _ in sources} == {"data:image/jpeg;base64"}
        assert {Image.open(io.BytesIO(base64.b64decode(data))).size for _, data in sources} == {
            size
        }


def test_each_extreme_pair_is_shown_once(three):
    scores, _, text = three
    named = {name for both in extremes(scores).values() for name in both.best + both.worst}
    shown = [text for tag, text in Elements(text).texts if tag == "h3" and text]
    assert sorted(shown) == sorted(named)
    assert len(Elements(text).all("img")) == len(named) * 5


def test_extremes_follow_the_direction():
    rising = np.arange(6.0)
    scores = scored(np.stack([np.stack([rising, -rising], 1), np.stack([-rising, rising], 1)]))
    assert extremes(scores) == {
        "A": (("05", "04"), ("00", "01")),
        "B": (("00", "01"), ("05", "04")),
    }
    assert extremes(scores, count=1)["A"] == (("05",), ("00",))


def test_extremes_are_the_mean_of_ranks_not_of_values():
    # By hand: the ranks of the images are 4, 1, 3, 2 in MI and 1, 4, 2, 3 in VIF and in CC.
    values = np.array([[1, 1000, 2, 3], [4, 1, 3, 2], [4, 1, 3, 2]], float).T[None]
    found = extremes(scored(values, metrics=("MI", "VIF", "CC")))["A"]
    assert found == (("00", "02"), ("01", "03"))


def test_extremes_leave_out_what_is_undefined():
    values = np.array([[1, 5], [NAN, 4], [3, NAN], [NAN, NAN], [5, 1]], float)[None]
    found = extremes(scored(values, metrics=("MI", "VIF")))["A"]
    assert "03" not in found.best + found.worst
    assert len(set(found.best + found.worst)) == 4


def test_no_pair_is_both_best_and_worst():
    for images, best, worst in ((1, 1, 0), (2, 1, 1), (3, 2, 1), (4, 2, 2), (9, 2, 2)):
        found = extremes(scored(np.arange(images, dtype=float).reshape(1, -1, 1), metrics=["MI"]))
        assert (len(found["A"].best), len(found["A"].worst)) == (best, worst)
        assert not set(found["A"].best) & set(found["A"].worst)


def test_equal_values_share_their_rank():
    values = np.array([[1, 1], [1, 2], [1, 3]], float)[None]
    assert extremes(scored(values, metrics=("MI", "VIF")), count=1)["A"] == (("02",), ("00",))


@pytest.mark.parametrize(("methods", "images"), [(1, 1), (2, 3)])
def test_no_value_breaks_the_page(methods, images):
    values = np.ones((methods, images, 14))
    values[..., 3] = NAN
    values[..., 4] = INF
    values[0, 0, 5] = -INF
    scores = scored(values, metrics=METRICS)
    with warnings.catch_warnings(action="error"):
        text = page(scores, compared(scores), {}, {})
    Elements(text)
    assert f"Qcb ↑ ({methods * images} infinite)" in text


def test_a_long_name_leaves_room_for_the_plot():
    scores = scored(np.ones((1, 5, 1)), metrics=["MI"], methods=("n" * 60,))
    figure = distributions(scores)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["n" * 23 + "…"]
