"""The HTML page of an explanation."""

import re

import browser
import numpy as np
import pytest
from html_elements import Elements
from PIL import Image

from fnet_jax import Fuser
from fnet_jax.explain.explanation import explain
from fnet_jax.explain.page import Shown, described, page
from fnet_jax.explain.report import _png
from fnet_jax.fusing.edits import CODES, Edit, Feature
from fnet_jax.synthetic import night_street

EDIT = Edit(u1=0.5, theta_scale=2, features=(Feature("c", 3, 0.0),))
PICTURE = np.linspace(30000, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)


@pytest.fixture(scope="module")
def numbers(small_network):
    return explain(Fuser(*small_network), *night_street(16, 20), edit=EDIT).numbers()


def made(numbers, *, name="street", edit=EDIT):
    shown = [Shown("I1", "", _png(PICTURE)), Shown("edited", described(edit), _png(PICTURE))]
    figures = [Shown("Features & more", "What <they> are.", _png(PICTURE))]
    return page(name, numbers, edit, shown, figures, {"date": "2026-01-31"})


def test_the_page_needs_nothing_else(numbers):
    text = made(numbers)
    for tag, attributes in Elements(text).found:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            if attributes.get(name):
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    assert not re.search(r"@import|url\(|<script", text)


def test_the_page_shows_the_numbers(numbers):
    elements = Elements(made(numbers))
    texts = [text for _, text in elements.texts]
    for code in CODES:
        block = numbers["blocks"][code]
        assert f"{block['nulls_after'][-1]:,}" in texts
        assert f"{block['theta'][-1]:.4g}" in texts
        assert f"{code}:{block['features_by_energy'][0]['feature']}" in texts
    assert f"{numbers['correlation']['If_c']['I1']:.2g}" in texts
    assert "–" in texts  # what is undefined
    assert "--u1 0.5 --theta-scale 2 --feature c:3=0" in texts
    assert "2026-01-31" in texts
    anchors = {a["href"][1:] for a in elements.all("a")}
    assert anchors <= {attributes.get("id") for _, attributes in elements.found}


def test_names_are_escaped(numbers):
    elements = Elements(made(numbers, name="<script>alert(1)</script>"))
    assert elements.all("script") == []
    assert "How FNet fuses <script>alert(1)</script>" in [text for _, text in elements.texts]


def test_without_an_edit_nothing_is_said_of_it(numbers):
    assert "edit changed" not in made(numbers, edit=Edit())
    assert described(Edit()) == ""


def test_a_black_pair_has_a_page(small_network):
    black = np.zeros((5, 6), np.uint8)
    Elements(made(explain(Fuser(*small_network), black, black).numbers()))


def test_a_browser_shows_it(numbers, tmp_path):
    (tmp_path / "report.html").write_text(made(numbers))
    shown, height, asked, console = browser.look(
        tmp_path / "report.html", tmp_path / "screenshot.png"
    )
    assert shown
    assert height > 1000
    assert asked == 0
    assert console == []
    pixels = np.asarray(Image.open(tmp_path / "screenshot.png").convert("L"))
    assert pixels.shape == (2000, 1200)
    assert pixels.min() < 60
    assert pixels.max() > 250
    assert 0.001 < (pixels < 128).mean() < 0.5  # text and pictures on light paper
