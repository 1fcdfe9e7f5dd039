"""Two cameras that look at one drawn scene: pairs whose transform is known."""

import numpy as np

from fnet_jax.registration.resampling import warped
from fnet_jax.registration.transforms import corners, moved, normal, shift
from fnet_jax.synthetic import night_street, phantom, random_scene


def transform(degrees=0.0, scale=1.0, x=0.0, y=0.0, *, size):
    """A similarity about the center of an image of this size, then a shift."""
    angle = np.radians(degrees)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    middle = (size[1] - 1) / 2, (size[0] - 1) / 2
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return shift(middle[0] + x, middle[1] + y) @ turned @ shift(-middle[0], -middle[1])


def through(corner_shifts, *, size):
    """The homography that moves the corners of an image by (4, 2) pixels."""
    rows, right = [], []
    ends = corners(size)
    for (x, y), (u, v) in zip(ends, ends + corner_shifts, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), right), 1).reshape(3, 3)


def seen(image, matrix, size=None):
    """What a camera shows to whose pixels ``matrix`` leads: black where the image ends."""
    channels = image[..., None] if image.ndim == 2 else image
    back = normal(np.linalg.inv(matrix))
    size = size or image.shape[:2]
    new = [warped(each.astype(np.float32), back, size) for each in np.moveaxis(channels, 2, 0)]
    new = np.clip(np.rint(np.stack(new, 2)), 0, 255).astype(np.uint8)
    return new[..., 0] if image.ndim == 2 else new


def scene(seed=0, height=240, width=320):
    """A visible image (H, W, 3) and an infrared one (H, W), which lie on each other."""
    return night_street(height, width, seed=seed)


def error(found, matrix, size):
    """Mean distance of the corners under two transforms, in pixels."""
    ends = corners(size)
    return float(np.linalg.norm(moved(found, ends) - moved(matrix, ends), axis=1).mean())


__all__ = ["error", "phantom", "random_scene", "scene", "seen", "through", "transform"]
