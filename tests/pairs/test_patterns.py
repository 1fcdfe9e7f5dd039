import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.patterns import Pattern, Patterns


@pytest.mark.parametrize(
    ("text", "name", "scene"),
    [
        ("{}D.png", "00001D.png", "00001"),
        ("{}D.png", "00001N.png", None),
        ("{}D.png", "D.png", None),
        ("{}D.png", "1d.PNG", "1"),
        ("{}D.png", "1D.jpg", None),
        ("FLIR_{}_RGB.jpg", "FLIR_00002_RGB.jpg", "00002"),
        ("IR_{}", "IR_1.tiff", "1"),
        ("IR_{}", "IR_1.txt", None),
        ("a.b+({}).png", "a.b+(x).png", "x"),
        ("a.b+({}).png", "aXb+(x).png", None),
        ("{}_T.JPG", "夜景\n1_T.JPG", "夜景\n1"),
        ("{}é.png", "1e\u0301.png", "1"),
    ],
)
def test_the_name_of_the_scene(text, name, scene):
    assert Pattern(text).scene(name) == scene


@pytest.mark.parametrize("text", ["", "a.png", "{}{}.png", "a/{}.png", "{ }.png", "*.png"])
def test_texts_that_are_no_pattern(text):
    with pytest.raises(InputError, match=r"is not a pattern; use a file name with one \{\}"):
        Pattern(text)


def test_a_name_belongs_to_the_pattern_it_fits_better():
    for first, second, names in [
        ("{}.jpg", "{}_T.jpg", ("1.jpg", "1_T.jpg")),
        ("{}.jpg", "{}_T.jpg", ("1.JPG", "1_t.JPG")),
        ("{}D.png", "{}d.png", ("1D.png", "1d.png")),
    ]:
        patterns = Patterns.of(first, second)
        for name, sides in zip(names, (("1", None), (None, "1")), strict=True):
            assert tuple(patterns.scene(side, name) for side in (0, 1)) == sides


def test_a_pattern_is_filled():
    assert Pattern("{}_T.JPG").filled("1") == "1_T.JPG"
    assert Pattern("IR_{}").filled("1") == "IR_1.*"
