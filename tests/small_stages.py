"""Both stages of training with networks that are compiled soon."""

import jax
import numpy as np

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.start import initial_params
from train.run import steps

SETTINGS = {"features": 4, "iterations": 1, "kernel_size": 3}  # compiled soon
FNET, IFNET = FNet(**SETTINGS), IFNet(**SETTINGS)
LOSSES = {"stage1": steps.stage1_loss(FNET, IFNET), "stage2": steps.stage2_loss(FNET)}


def fresh(stage, optimizer):
    params = {"fnet": initial_params(FNET, 0)}
    if stage == "stage1":
        params["ifnet"] = initial_params(IFNET, 1)
    return steps.create(params, optimizer)


def whole(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
