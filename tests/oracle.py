"""The paper's equations as they are printed: slow, obvious, and what the library is tested with."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def correlate(x, kernel):
    """'Same' correlation by XLA, with XLA's own gradient."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def sigmoidal(x, theta, alpha=0.1, gamma=100.0):
    """Eq. 6, with the sign."""
    return jnp.sign(x) * (jnp.abs(x) - alpha * theta) / (1 + jnp.exp(-gamma * (jnp.abs(x) - theta)))


def lzsc(p, e, iterations):
    """Eqs. 20 and 21, one convolution at a time; ``p`` holds one block's parameters."""
    k = jnp.arange(iterations + 1)
    sp = lambda x: jnp.log(1 + jnp.exp(x))
    theta = sp(-sp(p["w_theta"]) * k + p["b_theta"])
    rho = (sp(sp(p["w_rho"]) * k + p["b_rho"]) - sp(p["b_rho"])) / sp(
        sp(p["w_rho"]) * k + p["b_rho"]
    )
    u = [sigmoidal(correlate(e, p["W_e_0"]), theta[0])]
    for k in range(1, iterations + 1):
        now, before = u[-1], u[-2] if k > 1 else None
        value = (1 + rho[k]) * (now - correlate(correlate(now, p[f"W_d_{k}"]), p[f"W_u_{k}"]))
        if before is not None:
            again = correlate(correlate(before, p[f"W_d_prime_{k}"]), p[f"W_u_prime_{k}"])
            value -= rho[k] * (before - again)
        value += correlate(e, p[f"W_e_{k}"])
        u.append(sigmoidal(value, theta[k]))
    return u[-1]


def variant(p, e, iterations, *, momentum="nesterov", shared=False, threshold=sigmoidal):
    """A block with another momentum, threshold or with shared filters, as the articles print it."""
    W = lambda name, k: p[name] if shared else p[f"{name}_{k}"]
    k = jnp.arange(iterations + 1)
    sp = lambda x: jnp.log(1 + jnp.exp(x))
    theta = sp(-sp(p["w_theta"]) * k + p["b_theta"])
    rho = 1 - sp(p["b_rho"]) / sp(sp(p["w_rho"]) * k + p["b_rho"]) if "w_rho" in p else None
    u, average = [threshold(correlate(e, W("W_e", 0)), theta[0])], 0
    for k in range(1, iterations + 1):
        now, before = u[-1], u[-2] if k > 1 else None
        gradient = correlate(correlate(now, W("W_d", k)), W("W_u", k)) - correlate(e, W("W_e", k))
        if momentum == "none":
            value = now - gradient
        elif momentum == "polyak":
            value = now - gradient + rho[k] * (now - (before if k > 1 else 0))
        elif momentum == "quasi-hyperbolic":
            average = rho[k] * average + (1 - rho[k]) * gradient
            value = now - (0.3 * gradient + 0.7 * average)
        else:
            value = (1 + rho[k]) * (now - correlate(correlate(now, W("W_d", k)), W("W_u", k)))
            if k > 1:
                again = correlate(correlate(before, W("W_d_prime", k)), W("W_u_prime", k))
                value -= rho[k] * (before - again)
            value += correlate(e, W("W_e", k))
        u.append(threshold(value, theta[k]))
    return u[-1]


def soft(x, theta):
    """Eq. 5."""
    return jnp.where(x > theta, x - theta, jnp.where(x < -theta, x + theta, 0))


def lcsc(p, e, iterations):
    """Sreter and Giryes (2018): ISTA with one pair of learned filters."""
    theta = jnp.log(1 + jnp.exp(p["free_theta"]))
    u = soft(correlate(e, p["W_e"]), theta)
    for _ in range(iterations):
        u = soft(u + correlate(e - correlate(u, p["W_d"]), p["W_e"]), theta)
    return u


def fnet(params, I1, I2, iterations):
    """Eqs. 22 and 23."""
    p = params["params"]
    u1, u2 = lzsc(p["lzsc_u1"], I1, iterations), lzsc(p["lzsc_u2"], I2, iterations)
    I1_hat, I2_hat = I1 - correlate(u1, p["D_u1"]), I2 - correlate(u2, p["D_u2"])
    c = lzsc(p["lzsc_c"], jnp.concatenate([I1_hat, I2_hat], axis=-1), iterations)
    return correlate(c, p["G_c"]) + correlate(u1, p["G_u1"]) + correlate(u2, p["G_u2"])


def ifnet(params, If, iterations):
    """Eq. 24."""
    p = params["params"]
    return tuple(correlate(lzsc(p[f"lzsc_x{i}"], If, iterations), p[f"D_x{i}"]) for i in (1, 2))


def drawn(block, channels, seed=1):
    """Parameters of a block: filters of Xavier's distribution, the others as before training.

    Drawn by NumPy: ``block.init`` would compile each of its operations alone.
    """
    random = np.random.default_rng(seed)
    filters = {}
    for name, bank in block.filters(channels).items():
        limit = np.sqrt(6 / (bank.shape[0] ** 2 * sum(bank.shape[2:])))
        filters[name] = np.float32(random.uniform(-limit, limit, bank.shape))
    return {"params": filters | block.free()}


def relative_error(found, expected):
    """‖found − expected‖ / ‖expected‖ over all leaves of two trees."""
    flat = [
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)]) for tree in (found, expected)
    ]
    return float(np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1]))


def compare(apply, literal, params, *images):
    """Relative errors of the outputs and of the gradients of ``apply`` against ``literal``.

    Both map (params, *images) to one array or a tuple of arrays. The gradients, with respect to the
    parameters and the images, are those of a smooth function of the outputs.
    """

    def with_gradient(function):
        def value(params, *images):
            outputs = function(params, *images)
            return sum(jnp.sum(jnp.sin(3 * x)) for x in jax.tree.leaves(outputs)), outputs

        return jax.grad(value, argnums=tuple(range(1 + len(images))), has_aux=True)

    @jax.jit
    def both(*arguments):
        return with_gradient(apply)(*arguments), with_gradient(literal)(*arguments)

    (gradient, output), (expected_gradient, expected_output) = both(params, *images)
    return (
        relative_error(output, expected_output),
        relative_error(gradient, expected_gradient),
    )


def tame(params):
    """Parameters whose filters are scaled so that a block is about non-expansive.

    At Xavier's scale a block of random filters amplifies: rounding errors grow with each iteration
    and steep thresholds make jumps of them, so that float32 cannot hold a tolerance.
    """
    return jax.tree.map(lambda x: np.float32(0.3) * x if np.ndim(x) == 4 else x, params)
