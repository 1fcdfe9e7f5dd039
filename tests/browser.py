"""Looks at a page of ours as a browser shows it."""

import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROBE = """
<script>
addEventListener("load", () => document.title = [...document.images].every(
  image => image.complete && image.naturalWidth > 0 && image.getBoundingClientRect().width > 40
) + " " + document.documentElement.scrollHeight + " " + performance.getEntriesByType("resource")
  .filter(entry => !entry.name.startsWith("data:")).length);
</script>
"""


def look(path, screenshot):
    """Opens an HTML file in Chromium without a network, and photographs it.

    Returns whether every image was shown, the height of the page in pixels, how many files it
    asked for, and what it wrote to the console. Skips the test where there is no Chromium.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    probed = path.with_name(f"probed-{path.name}")
    text = path.read_text()
    assert text.count("</body>") == 1
    probed.write_text(text.replace("</body>", f"{PROBE}</body>"))
    call = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--hide-scrollbars"),
        *(f"--user-data-dir={path.with_name('profile')}", "--window-size=1200,2000"),
    ]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": True}
    done = subprocess.run([*call, "--dump-dom", probed.as_uri()], **options)
    subprocess.run([*call, f"--screenshot={screenshot}", path.as_uri()], **options)
    title = done.stdout.split("<title>")[1].split("</title>")[0]
    shown, height, asked = title.split()
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return shown == "true", int(height), int(asked), console
