"""The page in a real browser: what a person does with it, compared with the command line."""

import base64
import io
import shutil
import zipfile

import command
import made_up_cameras
import made_up_fff
import numpy as np
import pytest
from browser import NAMES
from PIL import Image

from fnet_jax import images
from fnet_jax.pairs.match import SAMPLES

playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
)
STREET, PET = "synthetic_night_street.png", "synthetic_pet_mri.png"
SHOWN = "body[data-screen=work] #work[data-version]"


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, site):
    """The page, opened; at the end, nothing may have gone wrong in it."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: line.type == "error" and wrong.append(line.text))
    page.goto(f"http://{site.host}{site.base}")
    page.wait_for_selector("body[data-ready=true]")
    yield page
    page.close()
    # The browser writes a line about each answer that is an error; those are meant here.
    assert not [line for line in wrong if "the server responded with a status of 4" not in line]


def open_sample(page, name=STREET):
    page.click(f"[data-sample={name.removesuffix('.png')}]")
    page.wait_for_selector(SHOWN)
    settled(page)


def settled(page):
    page.wait_for_selector("#latency[data-count]:not([data-busy=true])", state="attached")


def fused(page):
    """The pixels of the canvas with the fused image."""
    settled(page)
    page.wait_for_timeout(50)  # it is drawn in the next frame
    shot = io.BytesIO(page.locator("#view-fused").screenshot())
    return np.asarray(Image.open(shot).convert("RGB"), np.int16)


def slide(page, name, value):
    count = int(page.get_attribute("#latency", "data-count") or 0)
    page.fill(f"#number-{name}", str(value))
    page.press(f"#number-{name}", "Enter")
    page.wait_for_selector(f"#latency:not([data-count='{count}'])", state="attached")
    settled(page)


def test_sliders_and_features_change_the_fused_image(page):
    open_sample(page)
    before = fused(page)
    slide(page, "u2", 0)
    without = fused(page)
    assert np.abs(without - before).max() > 20
    page.click("#reset")
    page.wait_for_timeout(300)
    assert np.abs(fused(page) - before).max() <= 1
    maps = page.locator("#maps-c .map")
    count = int(page.get_attribute("#latency", "data-count"))
    maps.first.click()
    assert maps.first.get_attribute("aria-pressed") == "false"
    page.wait_for_selector(f"#latency:not([data-count='{count}'])", state="attached")
    assert np.abs(fused(page) - before).max() > 5
    maps.first.press("Enter")  # by keyboard, and on again
    assert maps.first.get_attribute("aria-pressed") == "true"
    slide(page, "theta", 3)
    assert float(page.get_attribute("#latency", "data-latency")) > 0


@pytest.mark.parametrize("form", ["", "tif"])
def test_a_download_is_what_fnet_fuse_writes(page, tmp_path, form):
    for side in ("I1", "I2"):
        (tmp_path / side).mkdir()
        shutil.copy(SAMPLES / side / PET, tmp_path / side / f"{side}.png")
    page.set_input_files("#files", [tmp_path / "I1/I1.png", tmp_path / "I2/I2.png"])
    page.wait_for_selector(SHOWN)
    settled(page)
    if form:
        page.select_option("#format", form)
    with page.expect_download() as got:
        page.click("#download")
    got.value.save_as(tmp_path / f"web.{form or 'png'}")
    page.wait_for_selector("#command:not(:empty)")
    line = page.inner_text("#command")
    assert line.startswith("fnet fuse --i1 I1.png --i2 I2.png")
    out = tmp_path / f"fused.{form or 'png'}"
    done = command.run(
        *("eval.fuse", "--i1", tmp_path / "I1/I1.png", "--i2", tmp_path / "I2/I2.png"),
        *("--out", out, "--size", "xxxs"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(images.read(tmp_path / f"web.{form or 'png'}"), images.read(out))


def test_views_move_together(page):
    open_sample(page)
    stage = page.locator("#stage")
    scale = float(stage.get_attribute("data-scale"))
    stage.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert float(stage.get_attribute("data-scale")) > scale
    page.keyboard.press("0")
    assert float(stage.get_attribute("data-scale")) == pytest.approx(scale)
    page.click("#mode-swipe")
    assert stage.get_attribute("data-mode") == "swipe"
    assert page.locator("#view-swipe").is_visible()
    page.locator("#divider").press("ArrowLeft")
    assert float(page.get_attribute("#divider", "aria-valuenow")) < 50


def test_errors_are_told_in_the_page(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    (tmp_path / "notes.png").write_text("no image")
    page.set_input_files("#files", [tmp_path / "broken.png", tmp_path / "notes.png"])
    page.wait_for_selector("#errors .error")
    text = page.inner_text("#errors")
    assert "broken.png" in text or "notes.png" in text
    assert str(tmp_path) not in text
    assert "fnet-web" not in text
    page.click("#errors .dismiss")
    assert page.locator("#errors .error").count() == 0
    open_sample(page)  # and nothing else is lost


def test_a_huge_image_is_refused(browser, tight, tmp_path):
    images.write(tmp_path / "a.png", np.zeros((100, 100), np.uint8))
    images.write(tmp_path / "b.png", np.zeros((100, 100), np.uint8))
    page = browser.new_page()
    page.goto(f"http://{tight.host}{tight.base}")
    page.wait_for_selector("body[data-ready=true]")
    page.set_input_files("#files", [tmp_path / "a.png", tmp_path / "b.png"])
    page.wait_for_selector("#errors .error")
    assert "100×100 pixels exceed the limit of 3000" in page.inner_text("#errors")
    page.close()


def test_a_folder_comes_back_as_a_zip_file(page, tmp_path):
    for name in (STREET, PET):
        for side in ("I1", "I2"):
            kind = {"I1": "vis", "I2": "ir"}[side]
            shutil.copy(SAMPLES / side / name, tmp_path / f"{name[:-4]}_{kind}.png")
    (tmp_path / "alone_vis.png").write_bytes((SAMPLES / "I1" / PET).read_bytes())
    page.set_input_files("#files", sorted(tmp_path.glob("*.png")))
    page.wait_for_selector("body[data-screen=folder]")
    page.click("#folder-fuse")
    page.wait_for_selector("#folder-state[data-state=done]")
    assert "alone_vis.png has no partner" in page.inner_text("body")
    with page.expect_download() as got:
        page.click("#folder-zip")
    got.value.save_as(tmp_path / "fused.zip")
    names = zipfile.ZipFile(tmp_path / "fused.zip").namelist()
    assert sorted(names) == [f"{STREET[:-4]}_vis.png", f"{PET[:-4]}_vis.png"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 400, "height": 800})
    open_sample(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400


def test_other_sites_reach_nothing(browser, site):
    page = browser.new_page()
    page.route("http://evil.example/**", lambda route: route.fulfill(body="<p>evil</p>"))
    page.goto("http://evil.example/")
    reached = page.evaluate(
        """async (address) => {
            const answers = [];
            for (const mode of ["cors", "no-cors"]) {
                try {
                    answers.push((await fetch(address + "api/about", { mode })).type);
                } catch (error) { answers.push(error.name); }
            }
            return answers;
        }""",
        f"http://{site.host}{site.base}",
    )
    assert reached[0] == "TypeError"  # nothing to read
    assert reached[1] in ("TypeError", "opaque")
    page.close()


DROP = """([files]) => {
    const data = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        data.items.add(new File([bytes], name));
    }
    for (const kind of ["dragenter", "dragover", "drop"]) {
        const event = new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
        document.getElementById("drop").dispatchEvent(event);
    }
}"""


def drop(page, *paths):
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    page.evaluate(DROP, [files])


def test_what_is_dropped_is_opened_in_the_order_of_its_names(page, tmp_path):
    for name, side in (("a_ir.png", "I2"), ("a_vis.png", "I1")):
        shutil.copy(SAMPLES / side / STREET, tmp_path / name)
    drop(page, tmp_path / "a_ir.png", tmp_path / "a_vis.png")
    page.wait_for_selector(SHOWN)
    assert "a_vis.png" in page.inner_text("#pair-name")
    page.click("#swap")
    page.wait_for_function(
        "() => document.getElementById('pair-name').textContent.includes('a_ir')"
    )


def test_a_thermal_photo_shows_temperatures(page, site, tmp_path, rng):
    made_up_fff.photo(tmp_path / "photo.jpg", rng)
    drop(page, tmp_path / "photo.jpg")
    page.wait_for_selector(SHOWN)
    settled(page)
    at = f"api/pairs/{page.get_attribute('#work', 'data-pair')}"
    size = (site.get(at).json[name] for name in ("height", "width"))
    celsius = np.frombuffer(site.get(f"{at}/celsius.f32").body, "<f4").reshape(*size)
    page.hover("#view-i1")  # its middle
    page.wait_for_selector("#degrees:has-text('°C')")
    x, y = (int(part) for part in page.inner_text("#at").split(","))
    assert 0 < x < celsius.shape[1] - 1
    shown = float(page.inner_text("#degrees").split()[0].replace("−", "-"))
    assert shown == pytest.approx(float(celsius[y, x]), abs=0.06)  # one decimal is shown


def test_opening_can_be_cancelled(page):
    held = []
    page.route("**/api/pairs", lambda route: held.append(route))  # never answered
    page.click(f"[data-sample={STREET.removesuffix('.png')}]")
    page.click("#busy-cancel")
    page.wait_for_selector("#busy", state="hidden")
    assert page.get_attribute("body", "data-screen") == "start"
    page.unroute("**/api/pairs")
    open_sample(page)


def test_registration_is_shown_before_and_after(page, tmp_path):
    visible, infrared = (images.read(SAMPLES / side / STREET) for side in ("I1", "I2"))
    matrix = made_up_cameras.transform(3, 1.0, 6, -4, size=infrared.shape)
    images.write(tmp_path / "a_vis.png", visible)
    images.write(tmp_path / "a_ir.png", made_up_cameras.seen(infrared, matrix))
    page.set_input_files("#files", [tmp_path / "a_vis.png", tmp_path / "a_ir.png"])
    page.wait_for_selector(SHOWN)
    page.click("#register")
    page.wait_for_selector("#registration[data-accepted=true]")
    assert page.locator("#before").is_visible()
    assert page.locator("#after").is_visible()
    page.wait_for_selector("#command:has-text('--register auto')")
    page.click("#unregister")
    page.wait_for_selector("#register")
