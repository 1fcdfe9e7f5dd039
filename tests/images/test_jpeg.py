"""JPEG files: what they say beside the picture, and what is too much."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from fnet_jax import images
from fnet_jax.errors import InputError

SMOOTH = np.add.outer(5 * np.arange(9), 7 * np.arange(13)).astype(np.uint8)


def xmp(orientation):
    text = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()
    body = b"http://ns.adobe.com/xap/1.0/\0" + text
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", ["Exif", "XMP"])
def test_orientation(tmp_path, place, orientation):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SMOOTH).save(file, "JPEG", exif=exif if place == "Exif" else b"")
    content = file.getvalue()
    if place == "XMP":
        content = content[:2] + xmp(orientation) + content[2:]
    (tmp_path / "a.jpg").write_bytes(content)
    found = images.read(tmp_path / "a.jpg")
    turned = SMOOTH.T if orientation > 4 else SMOOTH
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    # JPEG changes smooth values by a few levels.
    np.testing.assert_allclose(found, turned[::rows, ::columns], atol=8)
    assert images.size(tmp_path / "a.jpg") == found.shape


def progressive(scans):
    """A progressive file whose first refinement is repeated."""
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    starts = [i for i in range(len(content) - 1) if content[i : i + 2] == b"\xff\xda"]
    first = content[starts[0] : starts[1]]
    first = first[: first.find(b"\xff\xc4")] if b"\xff\xc4" in first else first
    return content[: starts[0]] + first * scans + content[starts[0] :]


def test_thousands_of_scans_are_refused(tmp_path):
    (tmp_path / "few.jpg").write_bytes(progressive(20))
    assert images.read(tmp_path / "few.jpg").shape == SMOOTH.shape
    (tmp_path / "many.jpg").write_bytes(progressive(2000))
    with pytest.raises(InputError, match=r"many\.jpg: damaged or cut short \(20\d\d scans"):
        images.read(tmp_path / "many.jpg")


def test_scans_are_those_of_the_picture_alone(tmp_path):
    """Not those of what else a camera stores in the file."""
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, "JPEG")
    content, other = file.getvalue(), b"\xff\xda\0" * 9000
    segment = b"\xff\xe3" + (len(other) + 2).to_bytes(2, "big") + other
    (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:] + other)
    assert images.read(tmp_path / "a.jpg").shape == SMOOTH.shape


def test_colors_without_a_profile_are_as_pillow_gives_them(tmp_path, rng):
    rgb = np.stack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]], axis=2)
    Image.fromarray(rgb).save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_array_equal(images.read(tmp_path / "a.jpg"), Image.open(tmp_path / "a.jpg"))
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "b.jpg", quality=95)
    expected = Image.open(tmp_path / "b.jpg").convert("RGB")
    np.testing.assert_array_equal(images.read(tmp_path / "b.jpg"), expected)


def test_a_profile_of_srgb_keeps_the_stored_luma(tmp_path):
    rgb = np.stack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]], axis=2)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(rgb).save(tmp_path / "a.jpg")
    Image.fromarray(rgb).save(tmp_path / "b.jpg", icc_profile=profile)
    one, other = (images.read(tmp_path / f"{name}.jpg", grey=True) for name in "ab")
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("junk", [b"\0", b"??", b"\xff\xff\xff", bytes(200_000)])
def test_bytes_between_segments_are_passed_over(tmp_path, junk):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(SMOOTH).save(file, "JPEG", exif=exif)
    content = file.getvalue()
    (tmp_path / "a.jpg").write_bytes(content)
    expected = images.read(tmp_path / "a.jpg")
    second = 4 + int.from_bytes(content[4:6], "big")
    (tmp_path / "b.jpg").write_bytes(content[:second] + junk + content[second:])
    np.testing.assert_array_equal(images.read(tmp_path / "b.jpg"), expected)
    assert images.size(tmp_path / "b.jpg") == expected.shape == (13, 9)
