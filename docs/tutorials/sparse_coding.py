# %% [markdown]
# # Sparse coding with LZSC
#
# FNet is built from one block, LZSC, which you can use alone. In this tutorial you make images
# whose sparse codes you know, train LZSC for some seconds to find those codes, look at its
# thresholds, and compare it with solvers that need no training.
#
# ## The problem
#
# A dictionary `D` holds a few small filters, the *atoms*. A code `u` says where in the image each
# atom stands and how strong it is. The image is the sum of all of them, plus noise:
#
# *e* = D(*u*) + noise.
#
# Given *e* and D, sparse coding looks for a *u* that explains the image with few atoms (eq. 4):
#
# minimize ½‖*e* − D(*u*)‖² + λ‖*u*‖₀, where ‖*u*‖₀ counts the entries that are not zero.

# %%
import os
import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from fnet_jax import lzsc
from fnet_jax.lzsc import LZSC, correlate
from fnet_jax.sparse_coding import solvers

ATOMS, SIZE, SIDE = 16, 5, 32
keys = jax.random.split(jax.random.key(0), 3)

D = jax.random.normal(keys[0], (SIZE, SIZE, ATOMS, 1))
D /= jnp.linalg.norm(D, axis=(0, 1))  # each atom has norm 1


def draw(key, count):
    """Codes of which 0.5 % are not zero, and their images with noise."""
    where, sign, size, noise = jax.random.split(key, 4)
    shape = (count, SIDE, SIDE, ATOMS)
    u = jax.random.uniform(size, shape, minval=0.5, maxval=1.5)
    u *= jax.random.rademacher(sign, shape, float)
    u *= jax.random.bernoulli(where, 0.005, shape)
    e = correlate(u, D)
    return u, e + 0.02 * jax.random.normal(noise, e.shape)


u_true, e = draw(keys[1], 16)
print("codes", u_true.shape, "images", e.shape)
print("atoms in the first image:", jnp.count_nonzero(u_true[0]))

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3), width_ratios=[1.9, 1, 1])
framed = np.pad(D[..., 0], [(0, 1), (0, 1), (0, 0)], constant_values=np.nan)
rows = [np.hstack([framed[..., i + j] for j in range(8)]) for i in (0, 8)]
axes[0].imshow(np.vstack(rows), cmap="gray")
axes[0].set_title("16 atoms of 5×5 pixels")
axes[1].imshow(abs(u_true[0]).sum(axis=2), cmap="magma")
axes[1].set_title("a code (all atoms)")
axes[2].imshow(e[0, ..., 0], cmap="gray")
axes[2].set_title("its image")
for axis in axes:
    axis.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Thresholds
#
# A sparse coder alternates two steps: it corrects the code by what the image still misses, and it
# applies a threshold that removes small values. The paper has three kinds. *Hard* keeps large
# values as they are, *soft* shrinks them, and *sigmoidal* is smooth, so that the threshold itself
# can be learned.

# %%
x = jnp.linspace(-0.4, 0.4, 401)
for name, y in {
    "hard": lzsc.hard(x, 0.15),
    "soft": lzsc.soft(x, 0.15),
    "sigmoidal": lzsc.sigmoidal(x, 0.15),
}.items():
    plt.plot(x, y, label=name)
plt.gcf().set_size_inches(5, 3.2)
plt.xlabel("value")
plt.ylabel("after the threshold, θ = 0.15")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## A learned coder
#
# LZSC unrolls *N* iterations. Every iteration has its own filters, its own threshold θᵏ and its
# own momentum ρᵏ, and all of them are learned. We know D, so the filters start as those of
# iterative hard thresholding: D itself, and its adjoint over ‖D‖².

# %%
coder = LZSC(features=ATOMS, iterations=4, kernel_size=SIZE)
up = lzsc.adjoint(D) / lzsc.operator_norm(D) ** 2
banks = coder.filters(1)  # by name, for images of one channel
filters = {name: up if bank.leads else D for name, bank in banks.items()}
params = jax.tree.map(jnp.asarray, coder.free() | filters)
print(f"{len(banks)} banks of filters, and {', '.join(coder.free())}")


@jax.jit
def code(params, e):
    """The code of the last iteration, and all intermediates by name."""
    return coder.apply({"params": params}, e)


def error(u, u_true):
    """The relative error of a code."""
    return jnp.linalg.norm(u - u_true) / jnp.linalg.norm(u_true)


before, _ = code(params, e)
print(f"relative error of the code before training: {error(before, u_true):.2f}")

# %% [markdown]
# Training is ten lines. Each step draws new images, so there is nothing to overfit to.

# %%
STEPS = int(os.environ.get("TUTORIAL_STEPS", 600))  # some seconds on two cores
optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))


@jax.jit
def step(params, state, key):
    """One step of Adam on the squared error of the codes of new images."""
    u, e = draw(key, 8)

    def loss(params):
        return jnp.mean((code(params, e)[0] - u) ** 2) / jnp.mean(u**2)

    value, gradient = jax.value_and_grad(loss)(params)
    updates, state = optimizer.update(gradient, state)
    return optax.apply_updates(params, updates), state, value


state, losses, start = optimizer.init(params), [], time.perf_counter()
for i in range(STEPS):
    params, state, value = step(params, state, jax.random.fold_in(keys[2], i))
    losses.append(float(value))
print(f"{STEPS} steps in {time.perf_counter() - start:.0f} s")
learned, intermediates = code(params, e)
print(f"relative error of the code after training: {error(learned, u_true):.2f}")

# %% [markdown]
# The network returns its intermediates by the names of the paper. Here is what it learned as
# thresholds, and how the code gets better from one iteration to the next.

# %%
errors = [error(u, u_true) for u in intermediates["u"]]
figure, axes = plt.subplots(1, 3, figsize=(10, 3))
axes[0].semilogy(losses)
axes[0].set(title="training", xlabel="step", ylabel="relative squared error")
axes[1].plot(intermediates["theta"], "o-", label="θ")
axes[1].plot(intermediates["rho"], "s-", label="ρ")
axes[1].set(title="threshold and momentum", xlabel="iteration k", xticks=range(5))
axes[1].legend(frameon=False)
axes[2].plot(errors, "o-")
axes[2].set(title="error of the code", xlabel="iteration k", xticks=range(5))
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Solvers that need no training
#
# The classical solvers know D and descend the objective of eq. 4 (IHT and its relatives) or that
# with ‖*u*‖₁ in place of ‖*u*‖₀ (ISTA and FISTA). Each needs a λ, chosen by hand here.

# %%
CURVES = {
    "IHT": (solvers.iht, 0.01),
    "normalized IHT": (solvers.normalised_iht, 0.02),
    "FISTA": (solvers.fista, 0.05),
}
for name, (solve, penalty) in CURVES.items():
    found = solve(e, D, penalty, iterations=100, keep=True)
    curve = [float(error(u, u_true)) for u in found.iterates]
    plt.plot(range(1, 101), curve[1:], label=name)
    print(f"{name:15} after 5 iterations {curve[5]:.2f}, after 100 {curve[-1]:.2f}")
plt.plot(range(1, 6), errors, "k*-", label="LZSC, learned")
plt.gcf().set_size_inches(6, 3.6)
plt.xscale("log")
plt.xlabel("iterations (thresholds applied)")
plt.ylabel("relative error of the code")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# With five thresholds, the learned coder is nearer to the true codes than any of the solvers
# after five iterations. It is no match for a hundred iterations of FISTA or of normalized IHT.
# That is the trade: LZSC spends training on being good in few steps. Nor does it have to know D,
# as the solvers do: the example in the docstring of [`LZSC`][fnet_jax.lzsc.LZSC] learns from
# images alone.
#
# Each solver has one λ here. Another λ would suit its first five iterations better, so the
# picture flatters LZSC a little.
#
# **Next:** [Sparse coding](../sparse_coding.md) repeats this comparison over three random
# dictionaries, with λ chosen fairly for every solver. [The reference](../reference/lzsc.md) has
# all settings of LZSC.
