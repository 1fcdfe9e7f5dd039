"""Tables in Markdown and pages in HTML."""

import base64
import sys

import jinja2
import pytest

from fnet_jax.artifacts import html, markdown


def test_a_table_is_aligned_to_the_left_in_its_first_column():
    rows = [["a", "1", "2"], ["b", "3", "–"]]
    assert markdown.table(["", "x", "y"], rows).splitlines() == [
        "|  | x | y |",
        "| :-- | --: | --: |",
        "| a | 1 | 2 |",
        "| b | 3 | – |",
    ]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a template."""
    (tmp_path / "pages_of_a_test").mkdir()
    (tmp_path / "pages_of_a_test/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "pages_of_a_test"
    sys.modules.pop("pages_of_a_test", None)


def render(package, text, **values):
    (package / "page.html").write_text(text, encoding="utf-8")
    return html.render("pages_of_a_test", "page.html", **values)


def test_a_page_is_a_template_with_its_text_escaped(package):
    loop = "{% for name in names %}\n{}{% endfor %}\n"
    text = loop.replace("{}", "  {% if name %}\n<i>{{ name | shout }}</i>\n  {% endif %}\n")
    found = render(package, text, names=["a<b", "", "é"], filters={"shout": str.upper})
    assert found == "<i>A&lt;B</i>\n<i>É</i>\n"
    assert render(package, "{{ name }} {{ values }}", name="n", values=3) == "n 3"


def test_a_name_without_a_value_is_an_error(package):
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render(package, "{{ title }}")


def test_a_data_url_holds_the_bytes():
    start, _, content = html.data_url(b"\0\xff", "image/png").partition(",")
    assert start == "data:image/png;base64"
    assert base64.b64decode(content) == b"\0\xff"
