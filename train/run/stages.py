"""The two stages of training: their networks and losses."""

from dataclasses import dataclass

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.network import Network
from train.ablations import COMPLETE, Ablation
from train.run import steps
from train.run.teachers import Teacher


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    Attributes:
        name: ``"stage1"`` or ``"stage2"``, also the name of its folder in the workdir.
        title: a one-line description.
        inverts: whether it trains IFNet together with FNet.
    """

    name: str
    title: str
    inverts: bool

    def networks(self, fnet: FNet, change: Ablation = COMPLETE) -> dict[str, Network]:
        """The networks that the stage trains, by their names in the parameters.

        IFNet gets the settings of ``fnet``, and those that an experiment changes in IFNet.
        """
        if not self.inverts:
            return {"fnet": fnet}
        return {"fnet": fnet, "ifnet": IFNet.of(fnet.settings() | change.ifnet)}

    def loss(
        self, fnet: FNet, change: Ablation = COMPLETE, *, teacher: Teacher | None = None
    ) -> steps.Loss:
        """The loss of the stage, eq. 25 or eq. 26, with the changes of an experiment.

        In stage II, the distance to a ``teacher`` is added.
        """
        networks = self.networks(fnet, change)
        if isinstance(ifnet := networks.get("ifnet"), IFNet):
            return steps.stage1_loss(fnet, ifnet)
        return steps.stage2_loss(fnet, without=change.without, teacher=teacher)


STAGES = {
    "stage1": Stage("stage1", "FNet and IFNet together (eq. 25)", inverts=True),
    "stage2": Stage("stage2", "FNet alone (eq. 26)", inverts=False),
}
