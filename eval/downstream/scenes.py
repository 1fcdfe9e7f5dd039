"""The scenes of a folder of M3FD, MFNet or MSRS: two images and their truth."""

from dataclasses import dataclass
from pathlib import Path

DETECT, SEGMENT = "detect", "segment"  # tasks


@dataclass(frozen=True)
class Scene:
    """Two registered images of one place, and what is there.

    Attributes:
        name: of the files, without suffix; no two scenes of a set have one name.
        visible: image file.
        infrared: image file; None where it is the fourth channel of ``visible`` (MFNet).
        truth: to segment, an image of class numbers; to detect, a file of boxes.
        split: ``"train"`` or ``"test"`` by its folder or by a list of the set; None where neither
            says so.
    """

    name: str
    visible: Path
    infrared: Path | None
    truth: Path
    split: str | None = None


@dataclass(frozen=True)
class SceneSet:
    """All scenes of a folder for one task.

    Attributes:
        title: ``"M3FD"``, ``"MFNet"`` or ``"MSRS"``.
        task: ``"detect"`` or ``"segment"``.
        classes: their names, in the order of their numbers.
        scenes: in order of their names.
    """

    title: str
    task: str
    classes: tuple[str, ...]
    scenes: tuple[Scene, ...]
