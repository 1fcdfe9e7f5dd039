"""Synthetic pairs of images for training, pictures and tests without data: drawn, not measured."""

from fnet_jax.synthetic.outdoors import random_scene
from fnet_jax.synthetic.phantom import phantom
from fnet_jax.synthetic.scene import Scene
from fnet_jax.synthetic.street import night_street

__all__ = ["Scene", "night_street", "phantom", "random_scene"]
