"""``python -m eval.fuse``: fuse images, one pair or two folders of them."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.fuse", huge_pages=True, prog="python -m eval.fuse")
