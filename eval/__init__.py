"""Commands that use trained networks: each is a short main over the library ``fnet_jax``."""
