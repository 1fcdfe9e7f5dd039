"""Classical solvers of convolutional sparse coding, beside the learned block (``fnet_jax.lzsc``).

Each codes a batch of images e with known decoder filters D, where D u is ``correlate(u, D)`` with
zeros outside the image. :func:`iht`, :func:`normalised_iht` and :func:`accelerated_iht` decrease

    F(u) = ½‖e − D u‖² + λ‖u‖₀                                                         (eq. 4)

and reach a local minimum; :func:`ista` and :func:`fista` find a minimum of the convex problem with
‖u‖₁ in place of ‖u‖₀. All start at u⁰ = 0 or at ``start``, treat each image of the batch as a
separate problem, and are compiled (``jax.jit``) once per shape. An iteration is one correlation
with D and one with its adjoint Dᵀ, except in :func:`normalised_iht`.

Arrays are NHWC, floating point. λ (``penalty``) is in squared units of e for ‖u‖₀, and in those
divided by units of u for ‖u‖₁.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fnet_jax.sparse_coding import thresholds
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.operators import adjoint, operator_norm
from fnet_jax.sparse_coding.unrolled import check_images

DESCENT = 0.01  # c of Blumensath & Davies (2010): margin of the step below the largest allowed
SHRINK = 0.5  # factor on a step that fails their test; they allow any factor below 1

compiled = functools.partial(jax.jit, static_argnames=("iterations", "keep"))


class Coded(NamedTuple):
    """The result of a solver.

    Attributes:
        u: the code uᴺ, shape (N, H, W, K).
        objective: F(u⁰)…F(uᴺ) of each image, shape (N, iterations + 1).
        step: the step size of each iteration, shape (N, iterations).
        iterates: u⁰…uᴺ, shape (iterations + 1, N, H, W, K), with ``keep=True``; else None.
    """

    u: jax.Array
    objective: jax.Array
    step: jax.Array
    iterates: jax.Array | None


class _State(NamedTuple):
    """A code u, its image D u, the two before them, F(u), and Nesterov's t (0 before t₁ = 1)."""

    u: jax.Array
    image: jax.Array
    u_before: jax.Array
    image_before: jax.Array
    objective: jax.Array
    t: jax.Array


@compiled
def iht(
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array | float,
    *,
    iterations: int = 100,
    step: jax.Array | float | None = None,
    start: jax.Array | None = None,
    keep: bool = False,
) -> Coded:
    """Iterative hard thresholding (Blumensath & Davies, 2008; eq. 2).

    ``uᵏ⁺¹ = H_θ(uᵏ + μ Dᵀ(e − D uᵏ))`` with θ = √(2λμ), the threshold that corresponds to λ. With
    μ ≤ 1/‖D‖² the objective never rises. (The authors scale D to ‖D‖ < 1 and take μ = 1.)

    Args:
        e: images, shape (N, H, W, C).
        D: decoder filters, shape (size, size, K, C), size odd.
        penalty: λ ≥ 0, scalar or one per image, shape (N,).
        iterations: number N of iterations.
        step: step size μ > 0, scalar or (N,); None is 1/‖D‖², the largest safe one, with
            :func:`~fnet_jax.lzsc.operator_norm` for images of this size.
        start: u⁰, shape (N, H, W, K); None is 0.
        keep: return all iterates, which take ``iterations + 1`` times the memory of u, and twice
            that while computing.

    Returns:
        A :class:`Coded`.

    Raises:
        ValueError: the shapes or types of ``e``, ``D`` and ``start`` do not fit, or ``iterations``
            is negative. Values are not checked: NaN in ``e`` or λ makes the objective NaN.
    """
    move = functools.partial(_proximal, power=0)
    return _solve(e, D, penalty, move, 0, iterations, step, start, keep)


@compiled
def accelerated_iht(
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array | float,
    *,
    iterations: int = 100,
    step: jax.Array | float | None = None,
    start: jax.Array | None = None,
    keep: bool = False,
) -> Coded:
    """IHT with Nesterov's momentum, as LZSC unrolls it (eqs. 16, 17), made to descend.

    A step starts from ``v = uᵏ + ρᵏ(uᵏ − uᵏ⁻¹)`` with FISTA's ρᵏ, which LZSC learns (eq. 21).
    For ‖u‖₀ momentum guarantees nothing. "Accelerated iterative hard thresholding" (Blumensath,
    2012) accepts a guess only if it is at least as good as a step of IHT, at the cost of that step.
    Here a result is accepted if it does not raise the objective. Otherwise uᵏ is kept and the
    momentum restarts (as O'Donoghue & Candès, 2015, do for convex problems), so that the next step
    is one of :func:`iht`, which descends.

    Arguments, result and errors are those of :func:`iht`.
    """
    move = functools.partial(_proximal, power=0, momentum=True, descend=True)
    return _solve(e, D, penalty, move, 0, iterations, step, start, keep)


@compiled
def normalised_iht(
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array | float,
    *,
    iterations: int = 100,
    step: jax.Array | float | None = None,
    start: jax.Array | None = None,
    keep: bool = False,
) -> Coded:
    """IHT with an adaptive step size (after Blumensath & Davies, 2010, "Normalised IHT").

    With g = Dᵀ(e − D uᵏ), an iteration first tries the best step on the support Γ of uᵏ,
    ``μ = ‖g_Γ‖² / ‖D g_Γ‖²``, which is at least 1/‖D‖². As long as the support changes and
    ``μ > (1 − c)‖Δ‖² / ‖D Δ‖²`` for the change Δ of u, it halves μ, but never below 1/‖D‖², where
    an iteration equals one of :func:`iht`. While u is 0, Γ is everything.

    The authors fix the number of nonzeros. Here the problem is eq. 4, and the threshold √(2λμ)
    varies with μ. Their test still makes the objective fall: up to a constant, the function that
    the step minimizes, ``‖z − uᵏ − μg‖²/(2μ) + λ‖z‖₀``, equals F at z = uᵏ and, once the test is
    passed, is above it at uᵏ⁺¹. On an unchanged support, μ is the best step along g_Γ.

    An iteration is one correlation with D more than one of :func:`iht`, and one more per halving.
    Arguments, result and errors are those of :func:`iht`; ``step`` replaces 1/‖D‖², and is used
    where g_Γ = 0.
    """
    return _solve(e, D, penalty, _normalised, 0, iterations, step, start, keep)


@compiled
def ista(
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array | float,
    *,
    iterations: int = 100,
    step: jax.Array | float | None = None,
    start: jax.Array | None = None,
    keep: bool = False,
) -> Coded:
    """Iterative soft thresholding (Daubechies, Defrise & De Mol, 2004), for ‖u‖₁.

    ``uᵏ⁺¹ = S_θ(uᵏ + μ Dᵀ(e − D uᵏ))`` with θ = λμ. With μ ≤ 1/‖D‖² the objective never rises.
    Arguments, result and errors are those of :func:`iht`.
    """
    move = functools.partial(_proximal, power=1)
    return _solve(e, D, penalty, move, 1, iterations, step, start, keep)


@compiled
def fista(
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array | float,
    *,
    iterations: int = 100,
    step: jax.Array | float | None = None,
    start: jax.Array | None = None,
    keep: bool = False,
) -> Coded:
    """FISTA (Beck & Teboulle, 2009), for ‖u‖₁: :func:`ista` with Nesterov's momentum.

    ``F(uᵏ) − F(u*) ≤ 2‖u⁰ − u*‖² / (μ(k + 1)²)`` for μ ≤ 1/‖D‖² and k ≥ 1 (their Theorem 4.4); the
    objective may rise in between. Arguments, result and errors are those of :func:`iht`.
    """
    move = functools.partial(_proximal, power=1, momentum=True)
    return _solve(e, D, penalty, move, 1, iterations, step, start, keep)


def objective(
    e: jax.Array, image: jax.Array, u: jax.Array, penalty: jax.Array | float, *, power: int
) -> jax.Array:
    """½‖e − image‖² + λ‖u‖₀ (``power`` 0) or λ‖u‖₁ (1) of each image, shape (N,).

    Args:
        e: images, shape (N, H, W, C).
        image: D u, ``correlate(u, D)``, shape (N, H, W, C).
        u: codes, shape (N, H, W, K).
        penalty: λ ≥ 0, scalar or (N,).
        power: 0 counts the entries of u that are not exactly 0; 1 sums their absolute values.
    """
    sizes = jnp.abs(u) if power else (u != 0).astype(u.dtype)
    return 0.5 * _squares(e - image) + penalty * sizes.sum(axis=(1, 2, 3))


def _squares(x: jax.Array) -> jax.Array:
    return jnp.sum(x**2, axis=(1, 2, 3))


def _each(values: jax.Array) -> jax.Array:
    """Broadcasts one value per image, shape (N,), against (N, H, W, K)."""
    return values[:, None, None, None]


def _solve(
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array | float,
    move: Callable[..., tuple[_State, jax.Array]],
    power: int,
    iterations: int,
    step: jax.Array | float | None,
    start: jax.Array | None,
    keep: bool,
) -> Coded:
    """Iterates ``move(state, e, D, penalty, step)``, which returns a state and its step."""
    check_images(e=e)
    count = e.shape[0]
    D = jnp.asarray(D, e.dtype)
    if D.ndim != 4 or iterations < 0:
        raise ValueError(
            f"D must have shape (size, size, K, C) and iterations must be at least 0: "
            f"got {D.shape} and {iterations}"
        )
    each = functools.partial(jnp.broadcast_to, shape=(count,))
    penalty = each(jnp.asarray(penalty, e.dtype))
    if step is None:
        step = 1 / operator_norm(D, side=max(e.shape[1:3])) ** 2
    step = each(jnp.asarray(step, e.dtype))
    shape = (*e.shape[:3], D.shape[2])
    if start is not None and start.shape != shape:
        raise ValueError(f"start must have shape {shape}: got {start.shape}")
    u = jnp.zeros(shape, e.dtype) if start is None else start.astype(e.dtype)
    image = correlate(u, D)
    if image.shape != e.shape:
        raise ValueError(f"D and e must have the same channels: got {D.shape} and {e.shape}")
    value = objective(e, image, u, penalty, power=power)
    first = _State(u, image, u, image, value, jnp.zeros(count, e.dtype))

    def body(state: _State, _: None) -> tuple[_State, Any]:
        state, took = move(state, e, D, penalty, step)
        return state, (state.objective, took, state.u if keep else None)

    last, (values, steps, iterates) = lax.scan(body, first, length=iterations)
    return Coded(
        last.u,
        jnp.concatenate([value[None], values]).T,
        steps.T,
        jnp.concatenate([u[None], iterates]) if keep else None,
    )


def _proximal(
    state: _State,
    e: jax.Array,
    D: jax.Array,
    penalty: jax.Array,
    step: jax.Array,
    *,
    power: int,
    momentum: bool = False,
    descend: bool = False,
) -> tuple[_State, jax.Array]:
    """A gradient step and its threshold, from u or, with momentum, from the extrapolated point."""
    t = (1 + jnp.sqrt(1 + 4 * state.t**2)) / 2
    rho = _each((state.t - 1) / t) if momentum else 0.0
    v = state.u + rho * (state.u - state.u_before)
    residual = e - state.image - rho * (state.image - state.image_before)
    v = v + _each(step) * correlate(residual, adjoint(D))
    if power:
        u = thresholds.soft(v, _each(penalty * step))
    else:
        u = thresholds.hard(v, _each(jnp.sqrt(2 * penalty * step)))
    image = correlate(u, D)
    value = objective(e, image, u, penalty, power=power)
    new = _State(u, image, state.u, state.image, value, t)
    if descend:
        t = jnp.zeros_like(state.t)
        again = state._replace(u_before=state.u, image_before=state.image, t=t)
        new = _where(value <= state.objective, new, again)
    return new, step


def _where(condition: jax.Array, a: Any, b: Any) -> Any:
    """``a`` for images whose condition, shape (N,), holds, else ``b``; pytrees."""

    def choose(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.where(condition.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return jax.tree.map(choose, a, b)


def _normalised(
    state: _State, e: jax.Array, D: jax.Array, penalty: jax.Array, step: jax.Array
) -> tuple[_State, jax.Array]:
    """A step of :func:`normalised_iht`."""
    g = correlate(e - state.image, adjoint(D))
    support = state.u != 0
    empty = ~support.any(axis=(1, 2, 3))
    on_support = jnp.where(support | _each(empty), g, 0)
    best = _squares(on_support) / _squares(correlate(on_support, D))
    best = jnp.maximum(jnp.where(jnp.isfinite(best), best, step), step)  # it may overflow

    def attempt(mu: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        u = thresholds.hard(state.u + _each(mu) * g, _each(jnp.sqrt(2 * penalty * mu)))
        image = correlate(u, D)
        allowed = mu * _squares(image - state.image) <= (1 - DESCENT) * _squares(u - state.u)
        same = ((u != 0) == support).all(axis=(1, 2, 3))
        return u, image, allowed | same | ~(mu > step)

    def shorten(trial: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
        mu = jnp.where(trial[1][2], trial[0], jnp.maximum(SHRINK * trial[0], step))
        return mu, attempt(mu)

    mu, (u, image, _) = lax.while_loop(
        lambda trial: ~trial[1][2].all(), shorten, (best, attempt(best))
    )
    value = objective(e, image, u, penalty, power=0)
    return state._replace(u=u, image=image, objective=value), mu
