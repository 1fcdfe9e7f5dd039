"""README and docs: their commands are understood, their Python runs, their links lead."""

import re
import shlex
import shutil

import made_up_fff
import pytest
from command import ROOT

import benchmarks.behaviour
import benchmarks.gpu
import benchmarks.growth
import benchmarks.registration
import benchmarks.sizes
import benchmarks.sparse_coding
import benchmarks.speed
import benchmarks.web
import benchmarks.weights
from eval.ablation.run import AblateConfig
from eval.downstream.config import DetectConfig, SegmentConfig
from fnet_jax import images
from fnet_jax.cli import (
    benchmark,
    check,
    explain,
    flags,
    fuse,
    import_official,
    register,
    score,
    web,
)
from fnet_jax.synthetic import night_street
from train.config import TrainConfig
from train.data.prepare import PrepareConfig
from train.run.recipe import RecipeConfig
from train.run.validate import ValidateConfig

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES["README"] = README
CONFIGS = {
    "benchmarks.behaviour": benchmarks.behaviour.BehaviourConfig,
    "benchmarks.gpu": benchmarks.gpu.GpuConfig,
    "benchmarks.growth": benchmarks.growth.GrowthConfig,
    "benchmarks.registration": benchmarks.registration.RegistrationBenchmarkConfig,
    "benchmarks.sizes": benchmarks.sizes.SizesConfig,
    "benchmarks.sparse_coding": benchmarks.sparse_coding.SparseCodingConfig,
    "benchmarks.speed": benchmarks.speed.SpeedConfig,
    "benchmarks.weights": benchmarks.weights.WeightsConfig,
    "benchmarks.web": benchmarks.web.WebBenchmarkConfig,
    "eval.ablate": AblateConfig,
    "eval.benchmark": benchmark.BenchmarkConfig,
    "eval.check": check.CheckConfig,
    "eval.detect": DetectConfig,
    "eval.explain": explain.ExplainConfig,
    "eval.fuse": fuse.FuseConfig,
    "eval.import_official": import_official.ImportConfig,
    "eval.register": register.RegisterConfig,
    "eval.score": score.ScoreConfig,
    "eval.segment": SegmentConfig,
    "eval.web": web.WebConfig,
    "train.prepare": PrepareConfig,
    "train.recipe": RecipeConfig,
    "train.validate": ValidateConfig,
    "train.stage1": TrainConfig,
    "train.stage2": TrainConfig,
}
# The Python of one goes into files of the project; that of the other has its own test.
ELSEWHERE = {"extending", "sparse_coding"}


def commands(text):
    """Modules and arguments of the commands in the shell blocks of a page."""
    shell = "".join(re.findall(r"```sh\n(.*?)```", text, re.S)).replace("\\\n", " ")
    for program, name, arguments in re.findall(r"^(python -m|fnet) (\S+) *(.*)", shell, re.M):
        yield name if program != "fnet" else f"eval.{name.replace('-', '_')}", arguments


def python(text):
    return re.findall(r"```python\n(.*?)```", text, re.S)


@pytest.mark.parametrize("page", sorted(name for name in PAGES if list(commands(PAGES[name]))))
def test_commands_are_understood(page):
    for module, arguments in commands(PAGES[page]):
        if module != "pytest":
            flags.parse(CONFIGS[module], shlex.split(arguments, comments=True))


def test_every_command_is_on_a_page():
    shown = {module for text in PAGES.values() for module, _ in commands(text)}
    assert CONFIGS.keys() <= shown


@pytest.mark.parametrize(
    "page", sorted(n for n in PAGES if python(PAGES[n]) and n not in ELSEWHERE)
)
def test_python_runs(page, tmp_path, rng, small_checkpoint, monkeypatch):
    visible, infrared = night_street(60, 64)
    for name, image in (("visible", visible), ("infrared", infrared)):
        images.write(tmp_path / f"{name}.png", image)
    if page == "scoring":
        images.write(tmp_path / "fused.png", visible)
    made_up_fff.photo(tmp_path / "photo.jpg", rng)
    shutil.copytree(small_checkpoint, tmp_path / "ckpt")
    monkeypatch.chdir(tmp_path)
    for block in python(PAGES[page]):
        exec(block, {})
    if 'images.write("fused.png"' in PAGES[page]:
        assert images.read(tmp_path / "fused.png").shape == (60, 64, 3)


def test_files_and_anchors_of_the_readme_exist():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        if anchor:
            assert anchor in headings((ROOT / path).read_text(encoding="utf-8")), target


def headings(text):
    return {
        re.sub(r"[^\w-]", "", h.lower().replace(" ", "-"))
        for h in re.findall(r"^#+ (.*)", text, re.M)
    }


def test_the_readme_is_read_in_two_minutes():
    assert len(README.splitlines()) <= 150
    picture = README.index("](docs/hero.png)")
    assert (
        picture < README.index("make fuse") < README.index("make test") < README.index("## Results")
    )
