"""The site of the documentation: it builds, it loads nothing from elsewhere, its tutorials run."""

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import api_surface
import pytest
from browser import NAMES

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.py"))
NEEDED = ("mkdocs", "material", "mkdocstrings", "jupytext", "nbconvert", "ipykernel")
# "?q=" makes the search look for a word as soon as the page is there.
PAGES = ("?q=LZSC", "gallery/", "reference/lzsc/", "tutorials/first_pair/")
POLICY = "default-src 'self' 'unsafe-inline' data: blob:"


def build(folder, *, execute):
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed (make docs, or the extra docs)")
    environment = os.environ | {
        "DOCS_EXECUTE": str(execute).lower(),
        "NO_MKDOCS_2_WARNING": "1",
        "PYTHONPATH": str(ROOT),
    }
    # Not --quiet: MkDocs does not count the warnings that it does not print.
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Documentation built" in done.stderr
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site without the outputs of the tutorials, built strictly: a dead link is an error."""
    return build(tmp_path_factory.mktemp("docs") / "site", execute=False)


@pytest.fixture(scope="module")
def pages(site):
    """The HTML of every page by its path."""
    return {path.relative_to(site): path.read_text() for path in site.rglob("*.html")}


def test_all_pages_and_a_search_index_are_there(site, pages):
    assert {Path("index.html"), Path("gallery/index.html"), Path("404.html")} < pages.keys()
    assert {Path(f"tutorials/{path.stem}/index.html") for path in TUTORIALS} < pages.keys()
    found = json.loads((site / "search/search_index.json").read_text())["docs"]
    assert any("LZSC" in entry["text"] and "tutorials/" in entry["location"] for entry in found)
    assert not [*site.rglob("*.py")]


def test_no_role_of_sphinx_is_left(pages):
    left = re.compile(r":(class|func|meth|mod|data|attr|exc):")
    assert not {path: found[0] for path, text in pages.items() if (found := left.search(text))}


def test_the_reference_has_the_public_api(pages):
    text = "".join(text for path, text in pages.items() if path.parts[0] == "reference")
    shown = set(re.findall(r'id="(fnet_jax[\w.]*)"', text))
    doors = json.loads(api_surface.FILE.read_text(encoding="utf-8"))["doors"]
    missing = []
    for door, names in doors.items():
        for name in names:
            # fnet_jax.LZSC is described where it is at home; phantom is in a module of its name.
            places = {f"{door}.{name}", f"{door}.{name}.{name}", f"fnet_jax.lzsc.{name}"}
            if not shown & places:
                missing.append(f"{door}.{name}")
    assert not missing
    assert 'id="train.run.loop.train"' in text


class Loaded(HTMLParser):
    """The addresses that a page loads by itself; links, which a reader may follow, are not."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(given.get("href"))
        elif tag in ("script", "img", "iframe", "source"):
            self.addresses.append(given.get("src"))


def test_pages_load_nothing_from_other_hosts(pages):
    for path, text in pages.items():
        parser = Loaded()
        parser.feed(text)
        assert parser.addresses, path
        assert not [each for each in parser.addresses if each and urlsplit(each).netloc], path


def visit(folder, page, profile):
    """Opens a page of a folder in Chromium, which may load nothing from any other host.

    Returns the paths that it asked for, and what it wrote to the console, where whatever the policy
    refuses is named. (Requests of the browser itself are not the page's, and not looked at.)
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self):
            self.send_header("Content-Security-Policy", POLICY)
            super().end_headers()

        def log_message(self, *arguments):
            asked.append(urlsplit(self.path).path)

    handler = functools.partial(Handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        call = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--dump-dom"),
            *(f"--user-data-dir={profile}", "--virtual-time-budget=5000"),
            *("--enable-logging=stderr", f"http://127.0.0.1:{server.server_port}/{page}"),
        ]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)
        server.shutdown()
    return asked, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_no_other_host(site, page, tmp_path):
    asked, console = visit(site, page, tmp_path)
    assert not console
    assert any(path.endswith(".css") for path in asked)
    if page.startswith("?q="):
        assert "/search/search_index.json" in asked


@pytest.mark.parametrize(
    "asks",
    [
        '<link rel="stylesheet" href="https://fonts.example/a.css">',
        "<script>fetch('https://api.example/stars')</script>",
    ],
)
def test_what_asks_another_host_is_noticed(asks, tmp_path):
    (tmp_path / "index.html").write_text(f"<title>x</title>{asks}")
    _, console = visit(tmp_path, "", tmp_path / "profile")
    assert any("Content Security Policy" in line for line in console)


LONG = ("own_pairs", "sparse_coding")  # half a minute


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else [])
        for path in TUTORIALS
    ],
)
def test_a_tutorial_runs(path):
    environment = os.environ | {"TUTORIAL_STEPS": "2", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    environment.pop("XLA_FLAGS", None)  # one device, as a reader has
    call = [sys.executable, path]
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
def test_the_whole_site_with_outputs(tmp_path):
    site = build(tmp_path / "site", execute=True)
    for path in TUTORIALS:
        folder = site / "tutorials"
        text = (folder / path.stem / "index.html").read_text()
        pictures = re.findall(r'<img [^>]*src="\.\./([^"]+\.png)"', text)
        assert len(pictures) >= 2
        assert all((folder / name).is_file() for name in pictures)


def test_a_tutorial_that_fails_stops_the_build(tmp_path):
    pytest.importorskip("jupytext", reason="jupytext is not installed (the extra docs)")
    pytest.importorskip("nbconvert", reason="nbconvert is not installed (the extra docs)")
    errors = pytest.importorskip("mkdocs.exceptions", reason="mkdocs is not installed")
    from docs import tutorial_pages

    path = tmp_path / "wrong.py"
    path.write_text("# %% [markdown]\n# # Wrong\n\n# %%\nprint(1 / 0)\n")
    text, _ = tutorial_pages.page(path, execute=False)
    assert text.startswith("# Wrong")
    with pytest.raises(errors.PluginError, match="ZeroDivisionError"):
        tutorial_pages.page(path, execute=True)


def test_links_out_of_docs_lose_only_their_target(tmp_path):
    from docs import site_links

    class Known:
        docs_dir = str(ROOT / "docs")
        src_uri = "speed.md"

    class Page:
        file = Known

    def on_site(text):
        return site_links.on_page_markdown(text, page=Page, config=Known)

    assert on_site("see [the code](../setup.py#L1).") == "see the code."
    assert on_site("[draws](make_gallery.py)") == "draws"
    for kept in ("[sizes](sizes.md#why)", "[gone](../gone.py)", "[web](https://a.b)", "![x](../a)"):
        assert on_site(kept) == kept
