"""One training step of each stage, as a pure function of a state and a batch.

The factories return the same function for the same arguments, so that a process that trains several
times, as recipes and experiments do, compiles nothing twice.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import flax
import jax
import jax.numpy as jnp
import optax
from jax import lax

from fnet_jax.networks import losses
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.network import Network
from fnet_jax.sparse_coding.unrolled import Intermediates, Unrolled
from train.run.teachers import Teacher

NULL = 1e-3  # features of at most this magnitude count as null

Params = dict[str, Any]
"""Parameters of the networks of a stage, ``{"fnet": {"params": …}, "ifnet": …}``."""
Metrics = dict[str, Any]
"""Scalars and short vectors by name: ``loss``, ``loss/…``, ``sparsity/…``, ``theta/…``, …"""
Loss = Callable[..., tuple[jax.Array, Metrics]]


class State(flax.struct.PyTreeNode):
    """Everything that a step changes.

    Attributes:
        step: number of steps done, scalar.
        params: the networks' parameters.
        ema: their moving average, which is evaluated.
        opt_state: state of the optimizer.
    """

    step: jax.Array
    params: Params
    ema: Params
    opt_state: Any


def create(params: Params, optimizer: optax.GradientTransformation) -> State:
    """The state before the first step."""
    return State(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema=jax.tree.map(jnp.copy, params),
        opt_state=optimizer.init(params),
    )


@functools.cache
def learning_rate(
    rate: float, *, warmup: int = 0, falls_until: int | None = None
) -> optax.Schedule:
    """The rate as a function of the step: constant (the paper), or with a rise, a fall or both.

    Args:
        rate: Adam's rate, constant or at its highest.
        warmup: number of first steps in which it rises linearly.
        falls_until: the step at which it reaches 0 along a cosine; None if it does not fall.
    """
    if falls_until is None:
        after: optax.Schedule = optax.constant_schedule(rate)
    else:
        after = optax.cosine_decay_schedule(rate, max(falls_until - warmup, 1))
    if not warmup:
        return after
    rise = optax.linear_schedule(rate / warmup, rate, max(warmup - 1, 1))
    return optax.join_schedules([rise, after], [warmup])


@functools.cache
def make_optimizer(
    schedule: optax.Schedule, *, clip: float | None = None
) -> optax.GradientTransformation:
    """Adam, with gradients scaled down to norm ``clip`` if that is set."""
    adam = optax.adam(schedule)
    return adam if clip is None else optax.chain(optax.clip_by_global_norm(clip), adam)


@functools.cache
def stage1_loss(fnet: FNet, ifnet: IFNet) -> Loss:
    """Eq. 25 of both networks, as a function of parameters and a batch."""

    def loss(
        params: Params, I1: jax.Array, I2: jax.Array, *, axis_name: str | None = None
    ) -> tuple[jax.Array, Metrics]:
        If, found = _output(fnet, params["fnet"], I1, I2)
        (I1_again, I2_again), inverse = _output(ifnet, params["ifnet"], If)
        total, terms = losses.stage1(I1, I2, I1_again, I2_again)
        courses = _courses(fnet, found) | _courses(ifnet, inverse)
        return total, _metrics(total, terms, courses, found)

    return loss


@functools.cache
def stage2_loss(
    fnet: FNet, *, without: tuple[str, ...] = (), teacher: Teacher | None = None
) -> Loss:
    """Eq. 26 of FNet without some terms, as a function of parameters and a batch.

    The distance to a ``teacher`` is added.
    """

    def loss(
        params: Params, I1: jax.Array, I2: jax.Array, *, axis_name: str | None = None
    ) -> tuple[jax.Array, Metrics]:
        If, found = _output(fnet, params["fnet"], I1, I2)
        total, terms = losses.stage2(If, I1, I2, without=without, axis_name=axis_name)
        if teacher:
            taught = teacher.terms(found, I1, I2)
            total, terms = sum(taught.values(), total), terms | taught
        return total, _metrics(total, terms, _courses(fnet, found), found)

    return loss


def _output(network: Unrolled, params: Any, *images: jax.Array) -> tuple[Any, Intermediates]:
    """The output of a network; ``apply`` may return more."""
    return cast(tuple[Any, Intermediates], network.apply(params, *images))


def _courses(network: Network, found: Intermediates) -> Metrics:
    """θ and ρ of each block."""
    metrics: Metrics = {}
    for code in network.CODES:
        theta, rho = network.coder().course(found[network.block_name(code)])
        metrics |= {f"theta/{code}": theta, f"rho/{code}": rho}
    return metrics


def _metrics(
    total: jax.Array, terms: losses.Terms, courses: Metrics, found: Intermediates
) -> Metrics:
    """Loss, its terms, the share of null features, and θ and ρ of each block."""
    metrics: Metrics = {"loss": total}
    metrics |= {f"loss/{name}": term for name, term in terms.items()}
    for code in FNet.CODES:
        metrics[f"sparsity/{code}"] = jnp.mean(jnp.abs(found[code]) <= NULL)
    return metrics | courses


@functools.cache
def make_step(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    *,
    ema_decay: float,
    axis_name: str | None = None,
) -> Callable[[State, jax.Array, jax.Array], tuple[State, Metrics]]:
    """One step of training, as a pure function.

    Args:
        loss: loss of a stage.
        optimizer: turns gradients into updates.
        ema_decay: decay d of the moving average; at step t it is min(d, (1 + t) / (10 + t)).
        axis_name: mapped axis over which the batch is split; None if there is none.

    Returns:
        ``step(state, I1, I2)``, which returns the next state and the metrics of the batch.
    """

    def step(state: State, I1: jax.Array, I2: jax.Array) -> tuple[State, Metrics]:
        gradient, metrics = jax.grad(loss, has_aux=True)(state.params, I1, I2, axis_name=axis_name)
        if axis_name is not None:
            gradient, metrics = lax.pmean((gradient, metrics), axis_name)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(ema_decay, (1 + state.step) / (10 + state.step))
        ema = optax.incremental_update(params, state.ema, 1 - decay)
        next_state = state.replace(step=state.step + 1, params=params, ema=ema, opt_state=opt_state)
        return next_state, metrics

    return step
