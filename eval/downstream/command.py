"""The commands ``eval.detect`` and ``eval.segment``: train on each kind of image and compare."""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.downstream import FNET, OWN, SIZED, VISIBLE
from eval.downstream.config import DESCRIPTION, EXAMPLES, StudyConfig
from fnet_jax.artifacts.files import replace_texts, writable
from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import complain, finish, say, warn
from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError

if TYPE_CHECKING:
    from eval.downstream.methods import Method
    from eval.downstream.scenes import Scene, SceneSet
    from eval.downstream.splits import Split
    from eval.downstream.study import Study, Task
    from eval.downstream.table2 import Result
    from eval.downstream.training import Job
    from fnet_jax.artifacts.progress import Progress


@dataclass(frozen=True)
class Kind:
    """The differences between the two commands.

    Attributes:
        config: class of the flags.
        task: ``"detect"`` or ``"segment"``.
        prog: the command's name.
        what: part of the description.
        sets: part of the description.
        programs: the training programs, for the description.
        trained: returns the name of what is trained.
        budgets: returns the budgets by protocol.
        versions: returns the versions of the program in its environment.
        made: makes the task of a study.
        truths: returns the scenes of a split with other truths, by name.
        one_size: whether the program needs all images to have one size.
    """

    config: type[StudyConfig]
    task: str
    prog: str
    what: str
    sets: str
    programs: str
    trained: Callable[[Any], str]
    budgets: Callable[[Any], Mapping[str, Any]]
    versions: Callable[[Any], dict[str, str]]
    made: "Callable[[Any, Study], Task]"
    truths: "Callable[[Any, SceneSet, Split], Mapping[str, SceneSet]]" = lambda *_: {}
    one_size: bool = False


def main(argv: Sequence[str] | None, kind: Kind) -> int:
    """Runs a command; returns its exit status."""
    description = DESCRIPTION.format(what=kind.what, sets=kind.sets, programs=kind.programs)
    config = parse(kind.config, argv, prog=kind.prog, description=description, examples=EXAMPLES)
    if config.leaks:
        return finish(lambda: leaks(config, kind), stopped="nothing was trained")
    return finish(
        lambda: run(config, kind), stopped="trained models are kept; run the same command again"
    )


def leaks(config: StudyConfig, kind: Kind) -> int:
    """Prints the leaks between the parts of the splits."""
    from eval.downstream import splits

    scenes, _, problems, _ = _scenes(config, kind)
    for name in config.split:
        split = splits.named(name, scenes, progress=_bar("scene"))
        found = splits.neighbours(scenes, split, progress=_bar("scene"))
        say(f"{scenes.title}, split {split.name}: {found.text}")
    return 1 if problems else 0


def run(config: StudyConfig, kind: Kind) -> int:
    """Trains, scores and reports.

    Raises:
        InputError: the data cannot be used, or a program failed.
    """
    from eval.downstream import methods, splits, table2
    from eval.downstream.check import absent
    from eval.downstream.study import Study, fingerprint_of_truth

    assert config.out is not None
    begin = time.perf_counter()
    versions = kind.versions(config)
    scenes, shown, problems, left_out = _scenes(config, kind)
    chosen = [
        splits.named(name, scenes, without=left_out, progress=_bar("scene"))
        for name in config.split
    ]
    for one, two in itertools.combinations(chosen, 2):
        if one.name == two.name:
            raise InputError(f"two splits have the name {one.name}; rename one in its file")
    for split in chosen:
        for line in absent(scenes, shown, split):
            warn(f"split {split.name}: {line}")
    budget = kind.budgets(config)[config.protocol]
    budget = replace(
        budget, epochs=config.epochs or budget.epochs, batch=config.batch or budget.batch
    )
    truths = [kind.truths(config, scenes, split) for split in chosen]
    data = methods.fingerprint(scenes.scenes)
    studies = [
        Study(
            out=config.out,
            scenes=scenes,
            split=split,
            budget=budget,
            seeds=tuple(range(config.seeds)),
            python=config.python.absolute(),
            data=data,
            program=kind.trained(config),
            versions=versions,
            start=config.start,
        )
        for split in chosen
    ]
    study = studies[0]  # they differ only in the split
    study.begin()
    with writable(config.out, remedy="use another --out"):
        for split in chosen:
            splits.write(config.out / f"split_{split.name}.json", split, scenes)
    seen = _images(config, study, side=None if kind.task == "detect" else budget.side)
    task = kind.made(config, study)
    results = [
        result
        for one, others in zip(studies, truths, strict=True)
        for result in _results(config, one, task, seen, others)
    ]
    origin = _origin(config, study, chosen, seen)
    for split, others in zip(chosen, truths, strict=True):
        for truth, other in others.items():
            origin[f"boxes {truth} of {split.name} (SHA-256)"] = fingerprint_of_truth(other)
    notes = [f"{name}: {value}" for name, value in origin.items()]
    text = table2.as_markdown(study, results, notes)
    content = table2.as_json(study, results, origin)
    name = f"report_trained_on_{config.fixed}" if config.fixed else "report"
    texts = {".md": text, ".json": json.dumps(content, indent=1, allow_nan=False) + "\n"}
    with writable(config.out, remedy="use another --out"):
        replace_texts({config.out / f"{name}{suffix}": x for suffix, x in texts.items()})
    say(text)
    say(
        f"{counted(len(seen), 'method')}, {counted(config.seeds, 'seed')} "
        f"in {time.perf_counter() - begin:.0f} s into {one_line(str(config.out))}"
    )
    return 1 if problems else 0


def _scenes(
    config: StudyConfig, kind: Kind
) -> "tuple[SceneSet, list[set[int]], int, tuple[str, ...]]":
    """The usable scenes, the classes in each, the number of problems, and the names left out.

    Raises:
        InputError: some scenes cannot be used, and ``--skip-bad`` is not set.
    """
    from eval.downstream import check, scenes

    found, lines = scenes.find(config.data, kind.task)
    for line in lines:
        complain(line)
    bad, shown = check.check(found, one_size=kind.one_size, report=complain, progress=_bar("scene"))
    problems = len(bad) + len(lines)
    if problems and not config.skip_bad:
        raise InputError(
            f"{config.data} has {counted(problems, 'problem')}; fix the files, or use --skip-bad "
            f"to leave those scenes out"
        )
    sound = [k for k, scene in enumerate(found.scenes) if scene.name not in set(bad)]
    kept = replace(found, scenes=tuple(found.scenes[k] for k in sound))
    return kept, [shown[k] for k in sound], problems, tuple(bad)


def _bar(unit: str) -> "Progress":
    from tqdm import tqdm

    return partial(tqdm, unit=unit, leave=False, disable=None)


def _images(config: StudyConfig, study: "Study", *, side: int | None) -> dict[str, Path]:
    """The folder of images of each method, created if missing."""
    from eval.downstream import methods

    chosen = config.method or tuple((name, None) for name in OWN)
    folders = {}
    for name, folder in chosen:
        folders[name] = methods.export(
            _made(config, name, folder, study.scenes.scenes),
            study.scenes.scenes,
            study.out / "images",
            data=study.data,
            side=side,
            progress=_bar("image"),
        )
    return folders


def _made(
    config: StudyConfig, name: str, folder: Path | None, scenes: "Sequence[Scene]"
) -> "Method":
    from eval.downstream import methods

    if folder is not None:
        return methods.of_folder(name, folder, scenes)
    if name != FNET and name not in SIZED:
        return methods.of_source(name)
    # JAX would reserve three quarters of a GPU's memory, which the programs need.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints

    keep_programs()
    own = config.ckpt if name == FNET else None
    ckpt = own or checkpoints.shipped(SIZED.get(name, config.size))
    return methods.of_fuser(name, Fuser.from_checkpoint(ckpt))


def _results(
    config: StudyConfig,
    study: "Study",
    task: "Task",
    seen: Mapping[str, Path],
    truths: "Mapping[str, SceneSet]",
) -> "Iterator[Result]":
    """Trains the models of one split, and scores them against its truth and against others."""
    from eval.downstream import check, intervals
    from eval.downstream import study as studies
    from eval.downstream.table2 import Result

    trained_on = {config.fixed: seen[config.fixed]} if config.fixed else seen
    trained = studies.train_all(study, task, trained_on, at_once=config.at_once, say=say)
    title = f"Trained and tested on each (split {study.split.name})"
    if config.fixed:
        models = [job for job, _ in trained[config.fixed]]
        trained = studies.apply_to_all(task, models, seen)
        title = f"Trained on {config.fixed} alone (split {study.split.name})"
    for truth, scenes in [("", study.scenes), *truths.items()]:
        scored = studies.score_all(
            task, trained, fixed=bool(config.fixed), truth=(truth, scenes) if truth else None
        )
        if not truth:
            _draw(config, study, task, trained)
        against = VISIBLE if VISIBLE in scored else next(iter(scored))
        yield Result(
            f"{title}, against the boxes *{truth}*" if truth else title,
            study.split,
            intervals.summary(scored, against=against, same_models=bool(config.fixed)),
            {
                name: [intervals.with_mean(model.values()).tolist() for model in models]
                for name, models in scored.items()
            },
            as_printed=not truth and not config.fixed,
            content=check.content(scenes, study.split.test),
        )


def _draw(
    config: StudyConfig,
    study: "Study",
    task: "Task",
    trained: "Mapping[str, Sequence[tuple[Job, Path]]]",
) -> None:
    """Pictures of predictions and of the training runs."""
    from eval.downstream import pictures

    which = f"{study.split.name}{f'_trained_on_{config.fixed}' if config.fixed else ''}"
    first = [models[0] for models in trained.values()]
    if all(found != job.folder and found.exists() for job, found in first):
        task.draw(study.out / f"found_{which}.png", trained)
    else:
        say("no picture is drawn, because only the scores of some models are available")
    kept = {config.fixed: trained[config.fixed]} if config.fixed else trained
    losses = {
        name: [task.losses(job) for job, _ in models if (job.folder / "done.json").exists()]
        for name, models in kept.items()
    }
    pictures.curves(study.out / f"curves_{which}.png", losses)


def _origin(
    config: StudyConfig, study: "Study", splits: "Sequence[Split]", seen: Mapping[str, Path]
) -> dict[str, Any]:
    """The provenance of the numbers, by name."""
    from eval.downstream import methods
    from fnet_jax.artifacts import provenance

    origin: dict[str, Any] = {
        "date": provenance.today(),
        "data (SHA-256)": study.data,
        "program": study.program,
        "protocol": study.budget.text,
        "start": study.start,
        "seeds": ", ".join(map(str, study.seeds)),
    }
    for name, folder in seen.items():
        made_of = json.loads((folder / methods.RECORD).read_text(encoding="utf-8"))
        origin[f"images of {name}"] = ", ".join(
            f"{k} {v}" for k, v in made_of.items() if k != "data"
        )
    origin |= {f"split {split.name} (SHA-256)": split.sha256 for split in splits}
    known = {**provenance.versions("numpy"), **study.versions}
    origin["versions"] = ", ".join(f"{name} {value}" for name, value in known.items())
    return origin
