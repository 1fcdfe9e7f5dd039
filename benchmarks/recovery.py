"""How well sparse coders recover known codes: classical solvers, and LZSC trained for it.

Images are made of random codes by a random dictionary, plus noise. The measures are the relative
error of the code ``‖û − u‖/‖u‖``, of the image without noise ``‖D û − D u‖/‖D u‖``, and F1, the
harmonic mean of precision and recall, of the entries with ``|û| > ε`` against the nonzero ones.

Parameters are chosen on separate validation images, for each solver and iteration: λ for the code,
whose image is then measured, and λ and ε for F1. So every solver is shown at its best.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnet_jax.sparse_coding import solvers
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.operators import adjoint, operator_norm

SOLVERS: dict[str, tuple[Callable[..., solvers.Coded], int]] = {
    "IHT": (solvers.iht, 0),
    "accelerated IHT": (solvers.accelerated_iht, 0),
    "normalised IHT": (solvers.normalised_iht, 0),
    "ISTA": (solvers.ista, 1),
    "FISTA": (solvers.fista, 1),
}
"""Name to solver and the power of |u| in its penalty."""

PENALTIES = {0: 0.0025 * 2.0 ** np.arange(7), 1: 0.01 * 2.0 ** np.arange(7)}
"""Candidates for λ, by that power."""

EPSILONS = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
"""Candidates for ε; nonzero entries of codes have 0.5 ≤ |u| ≤ 1.5."""

START = {"b_theta": -3.5}
"""LZSC starts with small thresholds, because its first steps, of 1/‖D‖², are small."""


@dataclass(frozen=True)
class Problem:
    """Random images and how LZSC learns to code them.

    Attributes:
        features: number K of atoms.
        size: side of an atom in pixels, odd.
        side: side of an image in pixels.
        density: share of nonzero entries of a code.
        noise: standard deviation of the noise in images; that of the images is about 0.3.
        iterations: iterations of each solver.
        modules: iterations N of LZSC, which has N + 1 thresholds.
        steps: training steps of LZSC.
        batch: images per training step.
        rate: initial learning rate of Adam; it falls to 0 along a cosine.
        validation: number of images to choose λ and ε with.
        test: number of test images.
    """

    features: int = 16
    size: int = 5
    side: int = 32
    density: float = 0.005
    noise: float = 0.02
    iterations: int = 100
    modules: int = 4
    steps: int = 1000
    batch: int = 8
    rate: float = 3e-3
    validation: int = 8
    test: int = 16


@functools.partial(jax.jit, static_argnums=(0, 3))
def draw(problem: Problem, key: jax.Array, D: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Codes, shape (count, side, side, K), and images with noise, (count, side, side, 1)."""
    where, sign, size, noise = jax.random.split(key, 4)
    shape = (count, problem.side, problem.side, problem.features)
    u = jax.random.bernoulli(where, problem.density, shape) * jax.random.rademacher(
        sign, shape, jnp.float32
    )
    u *= jax.random.uniform(size, shape, minval=0.5, maxval=1.5)
    e = correlate(u, D)
    return u, e + problem.noise * jax.random.normal(noise, e.shape)


def atoms(problem: Problem, key: jax.Array) -> jax.Array:
    """A dictionary D of random atoms of norm 1, shape (size, size, K, 1)."""
    D = jax.random.normal(key, (problem.size, problem.size, problem.features, 1))
    return D / jnp.linalg.norm(D, axis=(0, 1), keepdims=True)


@jax.jit
def figures(found: jax.Array, u: jax.Array, D: jax.Array) -> dict[str, jax.Array]:
    """Errors, and F1 for each of ``EPSILONS``, of codes of one batch."""
    image, true_image = correlate(found, D), correlate(u, D)
    support, count = u != 0, jnp.count_nonzero(u)

    def f1(epsilon: jax.Array) -> jax.Array:
        chosen = jnp.abs(found) > epsilon
        return 2 * jnp.sum(chosen & support) / (jnp.sum(chosen) + count)

    return {
        "code": jnp.linalg.norm(found - u) / jnp.linalg.norm(u),
        "image": jnp.linalg.norm(image - true_image) / jnp.linalg.norm(true_image),
        "f1": jax.lax.map(f1, jnp.asarray(EPSILONS)),
    }


def seen(iterations: int) -> list[int]:
    """The iterations that are measured: the first forty, then geometrically."""
    first = range(1, min(iterations, 40) + 1)
    return sorted({*first, *np.geomspace(len(first), iterations, 8).round().astype(int).tolist()})


class Bench:
    """One random problem: its dictionary, its validation and its test images.

    Attributes:
        problem: the setting.
        D: dictionary, shape (size, size, K, 1).
        u: codes of the validation images, followed by those of the test images.
        e: their images.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        """Draws a random problem from ``seed``."""
        self.problem = problem
        self._dictionary, self._images, self._train = jax.random.split(jax.random.key(seed), 3)
        self.D = atoms(problem, self._dictionary)
        self.u, self.e = draw(problem, self._images, self.D, problem.validation + problem.test)

    def score(self, found: jax.Array) -> tuple[dict[str, Any], dict[str, Any]]:
        """Measures of the validation and of the test images."""
        n = self.problem.validation
        halves = ((found[:n], self.u[:n]), (found[n:], self.u[n:]))
        validation, test = (figures(*half, self.D) for half in halves)
        return validation, test

    def solve(self, name: str, *, progress: Callable[[], object]) -> dict[str, Any]:
        """Measures of a solver of ``SOLVERS`` after some of its iterations.

        ``progress`` is called after each λ.

        Returns:
            ``code``, ``image`` (of the same codes) and ``f1``, each a list for :func:`seen`
            iterations; ``penalty``, the λ chosen for the last code; and ``objective`` with it, for
            iterations 0, 1, …, relative to that of the true code.
        """
        solve, power = SOLVERS[name]
        curves, runs = [], []
        for penalty in PENALTIES[power]:
            run = solve(self.e, self.D, penalty, iterations=self.problem.iterations, keep=True)
            assert run.iterates is not None
            curves.append([self.score(run.iterates[k]) for k in seen(self.problem.iterations)])
            runs.append(self._objective(run, penalty, power))
            progress()
        stacked = jax.tree.map(lambda *x: np.stack(x), *(_transposed(curve) for curve in curves))
        validation, test = stacked  # each measure: (λ, iteration); F1: (λ, iteration, ε)
        best = validation["code"].argmin(axis=0)
        k = np.arange(len(best))
        counts = validation["f1"].transpose(1, 0, 2).reshape(len(k), -1).argmax(axis=1)
        return {
            "code": test["code"][best, k].tolist(),
            "image": test["image"][best, k].tolist(),
            "f1": test["f1"].transpose(1, 0, 2).reshape(len(k), -1)[k, counts].tolist(),
            "objective": runs[best[-1]].tolist(),
            "penalty": float(PENALTIES[power][best[-1]]),
        }

    def _objective(self, run: solvers.Coded, penalty: float, power: int) -> np.ndarray:
        truth = self._of(self.u, penalty, power)
        n = self.problem.validation
        return np.asarray((run.objective / truth[:, None])[n:].mean(axis=0))

    def _of(self, u: jax.Array, penalty: float, power: int) -> jax.Array:
        """The objective of codes of all images."""
        return solvers.objective(self.e, correlate(u, self.D), u, penalty, power=power)

    def lzsc(
        self, *, penalty: float, progress: Callable[[], object]
    ) -> dict[str, dict[str, list[float]]]:
        """Measures of LZSC before and after training.

        Args:
            penalty: λ of eq. 4 in the objective that is reported.
            progress: called after each training step.

        Returns:
            ``untrained`` and ``trained``, each with ``code``, ``image``, ``f1`` and ``objective``,
            lists for u⁰…uᴺ. The objective is that of the entries above the ε chosen for F1,
            relative to that of the true code.
        """
        optimizer, codes, step = learner(self.problem)
        params = start(self.problem, self.D)
        before = self.chosen(codes(params, self.e), penalty)
        state = optimizer.init(params)
        for i in range(self.problem.steps):
            params, state = step(params, state, self.D, jax.random.fold_in(self._train, i))
            progress()
        return {"untrained": before, "trained": self.chosen(codes(params, self.e), penalty)}

    def chosen(self, found: Sequence[jax.Array], penalty: float) -> dict[str, list[float]]:
        """Measures of LZSC's estimates, by name and iteration, on the test images.

        Args:
            found: u⁰…uᴺ of all images; entries up to ε count as 0 in ``f1`` and ``objective``, with
                the ε of the best F1 on the validation images.
            penalty: λ of the objective, which is relative to that of the true codes.
        """
        rows: dict[str, list[float]] = {name: [] for name in ("code", "image", "f1", "objective")}
        n = self.problem.validation
        for u in found:
            validation, test = self.score(u)
            chosen = validation["f1"].argmax()
            kept = jnp.where(jnp.abs(u) > EPSILONS[chosen], u, 0)
            objective = self._of(kept, penalty, 0) / self._of(self.u, penalty, 0)
            values = (test["code"], test["image"], test["f1"][chosen], objective[n:].mean())
            for row, value in zip(rows.values(), values, strict=True):
                row.append(float(value))
        return rows


def _transposed(curve: list[tuple[dict[str, Any], dict[str, Any]]]) -> Any:
    return jax.tree.map(lambda *x: np.stack(x), *curve)


def network_of(problem: Problem) -> LZSC:
    """LZSC with the paper's thresholds."""
    return LZSC(features=problem.features, iterations=problem.modules, kernel_size=problem.size)


def start(problem: Problem, D: jax.Array) -> dict[str, Any]:
    """LZSC's parameters before training: steps of accelerated IHT for the dictionary D."""
    network, up = network_of(problem), adjoint(D) / operator_norm(D) ** 2
    filters = {n: up if bank.leads else D for n, bank in network.filters(1).items()}
    return network.free() | filters | {name: jnp.float32(x) for name, x in START.items()}


@functools.cache
def learner(
    problem: Problem,
) -> tuple[
    optax.GradientTransformation,
    Callable[..., tuple[jax.Array, ...]],
    Callable[..., tuple[Any, Any]],
]:
    """``(optimizer, codes, step)``, compiled once for a problem, whatever the dictionary.

    ``codes(params, e)`` returns LZSC's u⁰…uᴺ. ``step(params, state, D, key)`` is a step of Adam on
    the squared error of the codes of new images, relative to the codes' squares.
    """
    network = network_of(problem)
    optimizer = optax.adam(optax.cosine_decay_schedule(problem.rate, problem.steps))

    def codes(params: Any, e: jax.Array) -> tuple[jax.Array, ...]:
        return network.apply({"params": params}, e)[1]["u"]

    def loss(params: Any, u: jax.Array, e: jax.Array) -> jax.Array:
        return jnp.mean((codes(params, e)[-1] - u) ** 2) / jnp.mean(u**2)

    def step(params: Any, state: Any, D: jax.Array, key: jax.Array) -> tuple[Any, Any]:
        gradient = jax.grad(loss)(params, *draw(problem, key, D, problem.batch))
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state

    return optimizer, jax.jit(codes), jax.jit(step, donate_argnums=1)
