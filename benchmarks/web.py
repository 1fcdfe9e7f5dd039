"""``python -m benchmarks.web``: how fast the page of ``fnet web`` is, in a real browser."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.markdown import table
from fnet_jax.cli.flags import parse, whole
from fnet_jax.errors import InputError
from fnet_jax.networks.sizes import SIZES
from fnet_jax.synthetic import random_scene

DESCRIPTION = """\
Start fnet web, drop a made-up pair on its page in Chromium, move the sliders,
and measure the time from the input to the drawn image; then send many requests
at once and look at the memory of the server. Needs Chromium and Playwright
(pip install playwright).
"""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class WebBenchmarkConfig:
    """What the command does; each field is a flag."""

    # Height and width of the images.
    height: Annotated[int, whole(16)] = 480
    width: Annotated[int, whole(16)] = 640
    # Positions of each slider; the median counts.
    repeat: Annotated[int, whole(1)] = 20
    # Requests at once.
    requests: Annotated[int, whole(1)] = 200


@contextmanager
def server(size: str) -> Iterator[tuple[str, int]]:
    """The address and the process number of a server."""
    call = [sys.executable, "-m", "fnet_jax", "web", "--no-open", "--port", "0", "--size", size]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def resident(process: int) -> float:
    """Memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def latencies(page: Any, name: str, values: np.ndarray) -> list[float]:
    """Milliseconds that the page shows for each position of a slider."""
    found = []
    for value in values:
        count = page.get_attribute("#latency", "data-count") or ""
        page.fill(f"#number-{name}", f"{value:.2f}")
        page.press(f"#number-{name}", "Enter")
        page.wait_for_selector(
            f"#latency:not([data-count='{count}']):not([data-busy=true])", state="attached"
        )
        found.append(float(page.get_attribute("#latency", "data-latency")))
    return found


def many(address: str, body: bytes, number: int) -> dict[int, int]:
    """Sends a request many times at once; how often each status came."""

    def send(_: int) -> int:
        try:
            with urlopen(Request(address, data=body), timeout=120) as answer:
                answer.read()
                return int(answer.status)
        except HTTPError as error:
            return int(error.code)
        except OSError:
            return 0

    with ThreadPoolExecutor(number) as pool:
        statuses = list(pool.map(send, range(number)))
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def measured(browser: Any, size: str, paths: list[Path], config: WebBenchmarkConfig) -> list[str]:
    """A row of the table."""
    with server(size) as (address, process):
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(address)
        page.wait_for_selector("body[data-ready=true]")
        page.set_input_files("#files", paths)
        page.wait_for_selector("body[data-screen=work] #work[data-version]")
        latencies(page, "u1", np.array([0.5]))
        steps = np.linspace(0.1, 1.9, config.repeat)
        decoded = latencies(page, "u2", steps)
        thresholds = latencies(page, "theta", np.linspace(1.1, 2, config.repeat))
        before = resident(process)
        pair = page.get_attribute("#work", "data-pair")
        statuses = many(f"{address}api/pairs/{pair}/fused", b'{"u1": 0.4}', config.requests)
        after = resident(process)
        page.close()
    return [
        size,
        f"{np.median(decoded):.0f} ms",
        f"{np.max(decoded):.0f} ms",
        f"{np.median(thresholds):.0f} ms",
        f"{before:.0f}, {after:.0f} MiB",
        ", ".join(f"{status}: {count}" for status, count in statuses.items()),
    ]


def main() -> None:
    """Measures and prints a table."""
    config = parse(WebBenchmarkConfig, prog="python -m benchmarks.web", description=DESCRIPTION)
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise InputError("Playwright is not installed; run pip install playwright") from error
    if program is None:
        raise InputError(f"no browser is installed ({', '.join(BROWSERS)}); install one")
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        paths = [Path(folder, "visible.png"), Path(folder, "infrared.png")]
        for path, image in zip(paths, random_scene(config.height, config.width), strict=True):
            images.write(path, image)
        root = hasattr(os, "geteuid") and os.geteuid() == 0  # for whom Chromium has no sandbox
        arguments = ["--no-sandbox"] if root else []
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        rows = [measured(browser, size, paths, config) for size in reversed(SIZES)]
        browser.close()
    header = ("size", "slider", "slowest", "θ", "memory before, after", "answers at once")
    print(table(header, rows))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
