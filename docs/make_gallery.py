"""Draws docs/hero.png and the pictures of docs/gallery.md: ``python -m docs.make_gallery``.

All scenes are made up, by ``fnet_jax.synthetic``, and are fused with the weights that are shipped.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import tifffile
from PIL import Image, ImageDraw, ImageFont

from fnet_jax import Fuser, images, registration
from fnet_jax.fusing.edits import Edit, decode
from fnet_jax.fusing.inputs import separate
from fnet_jax.images.range_rules import Range
from fnet_jax.networks.sizes import SIZES
from fnet_jax.synthetic import night_street, phantom, random_scene

DOCS = Path(__file__).parent
FONT = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
WIDTH, GAP = 1200, 6  # of a picture, and between its panels, in pixels
COLD, WARM = 5.0, 40.0  # °C, of the darkest and the brightest infrared level

Row = Mapping[str, np.ndarray]  # images by their labels


def main() -> None:
    """Draws all of them, and prints their paths and sizes."""
    fuser = Fuser.pretrained()
    (DOCS / "gallery").mkdir(exist_ok=True)
    hero(fuser)
    for draw in PICTURES:
        picture = assembled(draw(fuser))
        save(picture, DOCS / "gallery" / f"{draw.__name__}.jpg", quality=84, subsampling=0)


def save(picture: Image.Image, path: Path, **options: object) -> None:
    """Writes a picture and says how large the file is."""
    picture.save(path, optimize=True, **options)
    print(f"{path} ({path.stat().st_size // 1000} kB)")


def hero(fuser: Fuser) -> None:
    """A street at night and a head in PET and MRI, each with both sources."""
    street = night_street(960, 1280, seed=8)  # drawn large, so that little of its noise is seen
    head = phantom(960, 1280, seed=5, kind="pet")
    rows = [triple(fuser, street, "visible", "infrared"), triple(fuser, head, "PET", "MRI")]
    picture = assembled(rows, width=1280, gap=8)
    save(picture.point(lambda x: x & 254), DOCS / "hero.png")  # the last bit is noise


def triple(fuser: Fuser, pair: Sequence[np.ndarray], first: str, second: str) -> Row:
    """Both images of a pair and what becomes of them."""
    return {first: pair[0], second: pair[1], "fused": fuser.fuse(*pair)}


def night(fuser: Fuser) -> list[Row]:
    """Visible and infrared, at night."""
    return [triple(fuser, night_street(360, 480, seed=4), "visible", "infrared")]


def day(fuser: Fuser) -> list[Row]:
    """Visible and infrared, by day."""
    return [triple(fuser, random_scene(360, 480, seed=26), "visible", "infrared")]


def ct_mri(fuser: Fuser) -> list[Row]:
    """A head in CT and MRI."""
    return [triple(fuser, phantom(400, 400, seed=5, kind="ct"), "CT", "MRI")]


def pet_mri(fuser: Fuser) -> list[Row]:
    """A head in PET and MRI."""
    return [triple(fuser, phantom(400, 400, seed=5, kind="pet"), "PET", "MRI")]


def spect_mri(fuser: Fuser) -> list[Row]:
    """A head in SPECT and MRI."""
    return [triple(fuser, phantom(400, 400, seed=7, kind="spect"), "SPECT", "MRI")]


def thermal(fuser: Fuser) -> list[Row]:
    """A visible image and temperatures from a TIFF file, which are fused by a fixed range."""
    visible, infrared = night_street(360, 480, seed=2)
    degrees = COLD + (WARM - COLD) * infrared.astype(np.float32) / 255
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "street_celsius.tif")
        tifffile.imwrite(path, degrees)
        levels = images.read(path, part="thermal", rule=Range(COLD, WARM))
    shown = matplotlib.colormaps["inferno"]((degrees - COLD) / (WARM - COLD))[..., :3]
    return [
        {
            "visible": visible,
            f"temperatures, {COLD:g} to {WARM:g} °C": np.uint8(255 * shown),
            "fused": fuser.fuse(visible, levels),
        }
    ]


def what_if(fuser: Fuser) -> list[Row]:
    """One pair, with its codes scaled."""
    pair = night_street(300, 400, seed=1)
    found, back = fuser.decompose(*pair), separate(*pair, color="auto")

    def edited(**scales: float) -> np.ndarray:
        return back.image(decode(found, fuser.params, Edit(**scales))[..., 0])

    return [
        {"as it is": edited(), "u1 removed": edited(u1=0), "u2 removed": edited(u2=0)},
        {"c halved": edited(c=0.5), "u1 doubled": edited(u1=2), "u2 doubled": edited(u2=2)},
    ]


def sizes(fuser: Fuser) -> list[Row]:
    """A detail of one pair, by every size of network."""
    pair = night_street(360, 480, seed=4)
    found = {size: Fuser.pretrained(size).fuse(*pair) for size in SIZES}
    return [{size: image[100:300, 120:320] for size, image in found.items()}]


def failure(fuser: Fuser) -> list[Row]:
    """What a displacement of a few pixels does, and what registration makes of it."""
    visible, infrared = night_street(360, 480, seed=1)
    moved = np.roll(infrared, 12, axis=1)
    found = registration.estimate(visible, moved)
    print(f"  displaced by 12: accepted {found.accepted}, {found.expected_error:.2f} pixels")
    laid = registration.apply(moved, found.matrix, visible.shape[:2])
    row = {
        "displaced by 12 pixels": fuser.fuse(visible, moved),
        "registered first": fuser.fuse(visible, laid),
        "as it should be": fuser.fuse(visible, infrared),
    }
    return [{name: image[150:330, 120:360] for name, image in row.items()}]


PICTURES: tuple[Callable[[Fuser], list[Row]], ...] = (
    *(night, day, ct_mri, pet_mri, spect_mri, thermal, what_if, sizes, failure),
)


def assembled(rows: Sequence[Row], *, width: int = WIDTH, gap: int = GAP) -> Image.Image:
    """Rows of labelled panels, on white."""
    strips = [strip(row, width, gap) for row in rows]
    high = sum(strip.height for strip in strips) + gap * (len(strips) - 1)
    picture, top = Image.new("RGB", (width, high), "white"), 0
    for each in strips:
        picture.paste(each, (0, top))
        top += each.height + gap
    return picture


def strip(row: Row, width: int, gap: int) -> Image.Image:
    """Panels of equal size beside each other."""
    wide = (width - gap * (len(row) - 1)) / len(row)
    first = next(iter(row.values()))
    high = round(wide * first.shape[0] / first.shape[1])
    picture = Image.new("RGB", (width, high), "white")
    for number, (label, image) in enumerate(row.items()):
        left, right = round(number * (wide + gap)), round(number * (wide + gap) + wide)
        panel = Image.fromarray(image).convert("RGB")
        panel = panel.resize((right - left, high), Image.Resampling.LANCZOS)
        picture.paste(labelled(panel, label), (left, 0))
    return picture


def labelled(panel: Image.Image, label: str) -> Image.Image:
    """A panel with its label in the lower left corner, white on a dark field."""
    font, edge = ImageFont.truetype(FONT, 18), 8
    field = Image.new("RGBA", panel.size)
    pen = ImageDraw.Draw(field)
    wide = pen.textlength(label, font=font)
    top = panel.height - 34 - edge
    box = (edge, top, edge + wide + 20, panel.height - edge)
    pen.rounded_rectangle(box, radius=6, fill=(16, 24, 32, 215))
    pen.text((edge + 10, top + 17), label, font=font, fill="white", anchor="lm")
    return Image.alpha_composite(panel.convert("RGBA"), field).convert("RGB")


if __name__ == "__main__":
    main()
