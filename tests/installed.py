"""Builds the wheel and the sdist, and tries both as a user would: ``make dist-check``.

For each Python there is a new virtual environment. What is checked runs in an empty folder outside
of the checkout, so that nothing but what was installed can be imported. The sdist is also installed
without a C++ compiler. The exit status is 1 if anything fails.

    python tests/installed.py --python python3.12 --out dist/
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("fnet_jax", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
SOURCES += ("CHANGELOG.md", "CITATION.cff", "SECURITY.md", "tests")
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info", ".*")
NATIVE = "fnet_jax/sparse_coding/native"
ENGINE = f"{NATIVE}/_engine.abi3.so"
BUILDS_THE_ENGINE = {f"{NATIVE}/{name}" for name in ("engine.cpp", "engine.h", "iteration.h")}
BUILDS_THE_ENGINE |= {f"{NATIVE}/kernels.h", "setup.py", "pyproject.toml"}
DATA = {"fnet_jax/py.typed", "fnet_jax/weights/pretrained/base/sha256sums.txt"}
DATA |= {"fnet_jax/pairs/samples/I1/synthetic_night_street.png"}
NO_COMPILER = {"CC": "no-compiler", "CXX": "no-compiler"}

TYPED = """\
from fnet_jax import Fuser
from fnet_jax.lzsc import LZSC
reveal_type(Fuser.pretrained())
reveal_type(Fuser.pretrained().fuse)
reveal_type(LZSC(features=4))
reveal_type(LZSC(features=4).iterations)
"""
CODES = """\
import jax
import fnet_jax.lzsc
coder = fnet_jax.lzsc.LZSC(features=4, iterations=2)
images = jax.random.uniform(jax.random.key(0), (1, 16, 16, 1))
u, found = coder.apply(coder.init(jax.random.key(1), images), images)
assert u.shape == (1, 16, 16, 4) and "before_threshold" in found
"""
WHERE = "import fnet_jax.pairs.match as m, fnet_jax; print(m.SAMPLES); print(fnet_jax.__file__)"
MISSING = "from fnet_jax.sparse_coding.native import binding; print(binding.missing())"
VERSIONS = "import sys, jax; print(sys.version.split()[0], jax.__version__)"


class Failure(Exception):
    """A check found what should not be; the text says what."""


def run(*command: object, cwd: Path, more: Mapping[str, str] | None = None) -> str:
    """Runs a command outside of the checkout; returns its output; raises Failure."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"JAX_PLATFORMS": "cpu", **(more or {})}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise Failure(f"{words}: exit status {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


class Environment:
    """A virtual environment."""

    def __init__(self, python: str, folder: Path) -> None:
        run(python, "-m", "venv", folder, cwd=folder.parent)
        self.programs = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.programs / "python"

    def pip(self, *arguments: object, more: Mapping[str, str] | None = None) -> None:
        quiet = ("--quiet", "--disable-pip-version-check")
        run(self.python, "-m", "pip", *arguments, *quiet, cwd=self.programs, more=more)


def build(python: str, out: Path, work: Path) -> tuple[Path, Path]:
    """The wheel and the sdist of a copy of the sources, without leftovers of builds."""
    copy = work / "sources"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=NOT_SOURCES)
        else:
            shutil.copy(source, copy / name)
    environment = Environment(python, work / "build")
    environment.pip("install", "build")
    run(environment.python, "-m", "build", "--outdir", work / "dist", copy, cwd=work)
    out.mkdir(parents=True, exist_ok=True)
    (wheel,) = (work / "dist").glob("*.whl")
    (sdist,) = (work / "dist").glob("*.tar.gz")
    return Path(shutil.copy(wheel, out)), Path(shutil.copy(sdist, out))


def unpacked(sdist: Path, folder: Path) -> Path:
    """The folder in an sdist. Of the file itself, pip may use a wheel that it built earlier."""
    with tarfile.open(sdist) as opened:
        opened.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


def check_contents(wheel: Path, sdist: Path, compiler: bool) -> None:
    """The sdist can build the engine, the wheel has it, and neither has tests."""
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = set(opened.namelist())
    with tarfile.open(sdist) as opened:
        in_sdist = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {"wheel": DATA | ({ENGINE} if compiler else set()), "sdist": DATA | BUILDS_THE_ENGINE}
    for kind, names in (("wheel", in_wheel), ("sdist", in_sdist)):
        if lacking := wanted[kind] - names:
            raise Failure(f"the {kind} lacks {', '.join(sorted(lacking))}")
        outside = {name.split("/")[0] for name in names} & {"tests", "train", "eval", "benchmarks"}
        if outside:
            raise Failure(f"the {kind} contains {', '.join(sorted(outside))}")
    if not any(name.endswith("licenses/LICENSE") for name in in_wheel):
        raise Failure("the wheel lacks the license")


class Installed(NamedTuple):
    """What was installed, and an empty folder to run it in."""

    environment: Environment
    folder: Path
    samples: Path
    engine: bool  # whether it should be there

    @property
    def fnet(self) -> Path:
        return self.environment.programs / "fnet"

    def python(self, *arguments: object) -> str:
        return run(self.environment.python, *arguments, cwd=self.folder)

    def help(self) -> None:
        if "fuse" not in run(self.fnet, "--help", cwd=self.folder):
            raise Failure("fnet --help does not mention fuse")

    def fuse(self) -> None:
        run(self.fnet, "fuse", "--samples", "--out", "fused", cwd=self.folder)
        fused = {path.name for path in (self.folder / "fused").glob("*.png")}
        if fused != {path.name for path in (self.samples / "I1").glob("*.png")}:
            raise Failure(f"fnet fuse --samples wrote {sorted(fused)}")

    def score(self) -> None:
        pairs = ("--i1", self.samples / "I1", "--i2", self.samples / "I2")
        scores = run(self.fnet, "score", *pairs, "--fused", "fused", cwd=self.folder)
        if "Qabf" not in scores:
            raise Failure(f"fnet score printed no Qabf:\n{scores}")

    def code(self) -> None:
        self.python("-c", CODES)

    def types(self) -> None:
        (self.folder / "typed.py").write_text(TYPED, encoding="utf-8")
        said = self.python("-m", "mypy", "--no-incremental", "typed.py")
        revealed = [
            line.split("Revealed type is ")[1] for line in said.splitlines() if "Rev" in line
        ]
        wanted = ("fusing.fuser.Fuser", "ndarray", "LZSC", "int")
        known = [part in line for part, line in zip(wanted, revealed, strict=True)]
        if not all(known) or "Any" in "".join((revealed[0], *revealed[2:])):
            raise Failure(f"mypy does not know the types:\n{said}")

    def native(self) -> None:
        missing = self.python("-c", MISSING).strip()
        if bool(missing) is self.engine:
            raise Failure(f"engine: {missing or 'it is there, but was built without a compiler'}")


CHECKS: dict[str, Callable[[Installed], None]] = {
    "--help": Installed.help,
    "fuse": Installed.fuse,
    "score": Installed.score,
    "lzsc": Installed.code,
    "types": Installed.types,
    "engine": Installed.native,
}


def try_out(environment: Environment, folder: Path, engine: bool) -> Iterator[tuple[str, str]]:
    """Each check's name and what is wrong; empty if nothing is."""
    folder.mkdir()
    samples, library = run(environment.python, "-c", WHERE, cwd=folder).split("\n")[:2]
    if ROOT in Path(library).parents and environment.programs.parent not in Path(library).parents:
        raise Failure(f"{library} was imported instead of what was installed")
    installed = Installed(environment, folder, Path(samples), engine)
    for name, check in CHECKS.items():
        try:
            check(installed)
            yield name, ""
        except Failure as failure:
            yield name, str(failure)


def pythons(named: list[str]) -> list[str]:
    """Those named, else the Pythons of the project's classifiers that are on PATH."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [c.rpartition(" ")[2] for c in project["classifiers"] if "Python :: 3." in c]
    found = named or [name for v in versions if (name := shutil.which(f"python{v}"))]
    works = []
    for python in found:
        try:
            run(python, "-c", "import ensurepip, venv", cwd=Path(tempfile.gettempdir()))
            works.append(python)
        except (Failure, OSError) as error:
            if named:
                raise SystemExit(f"{python} cannot make virtual environments: {error}") from error
            print(f"{python} is skipped: it does not start, or lacks the module venv")
    return works


def main() -> int:
    """Builds, installs, checks, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", action="append", default=[], help="a Python; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder of what is built")
    parser.add_argument("--jax", default="", help="version of JAX; the newest if not given")
    arguments = parser.parse_args()
    tried = pythons(arguments.python)
    if not tried:
        raise SystemExit("no Python was found; name one with --python")
    compiler = any(shutil.which(name) for name in ("c++", "g++", "clang++"))
    with tempfile.TemporaryDirectory(prefix="fnet-jax-installed-") as temporary:
        work = Path(temporary)
        wheel, sdist = (path.resolve() for path in build(tried[0], arguments.out, work))
        print(f"built {wheel.name} and {sdist.name}", flush=True)
        check_contents(wheel, sdist, compiler)
        rows, failures = [], []
        for number, python in enumerate(tried):
            environment = Environment(python, work / f"environment{number}")
            jax = [f"jax=={arguments.jax}"] if arguments.jax else []
            environment.pip("install", "mypy", wheel, *jax)
            versions = run(environment.python, "-c", VERSIONS, cwd=work).split()
            kinds = [("wheel", compiler, {}), ("sdist", compiler, {})]
            kinds += [("sdist, no compiler", False, NO_COMPILER)]
            for kind, engine, variables in kinds:
                if kind != "wheel":
                    sources = unpacked(sdist, work / f"{number} {kind}")
                    environment.pip("uninstall", "--yes", "fnet-jax")
                    environment.pip("install", sources, more=variables)
                found = dict(try_out(environment, work / f"empty {number} {kind}", engine))
                rows.append(
                    [*versions, kind, *("FAILED" if found[name] else "ok" for name in CHECKS)]
                )
                print("  ".join(rows[-1]), flush=True)
                where = f"Python {versions[0]}, {kind}"
                failures += [f"{where}, {name}: {text}" for name, text in found.items() if text]
    print(f"\n| {' | '.join(('Python', 'JAX', 'installed from', *CHECKS))} |")
    print(f"|{' :-- |' * (3 + len(CHECKS))}")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    print("\n".join(["", *failures]) if failures else "everything works")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(str(failure))
