"""One pair: what the page shows and writes is what Fuser, edits and ``fnet fuse`` give."""

import shlex
from urllib.parse import unquote

import numpy as np
import pytest
from made_up_fff import photo
from PIL import Image
from web_client import NEEDED, png, written

pytest.importorskip("uvicorn", reason=NEEDED)

from fnet_jax import Fuser, images
from fnet_jax.cli import flags, fuse
from fnet_jax.cli.explain import ExplainConfig
from fnet_jax.cli.fuse import FuseConfig
from fnet_jax.fusing import edits
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.fusing.edits import Edit, Feature
from fnet_jax.fusing.loading import Loader
from fnet_jax.images import files
from fnet_jax.images.levels import to_8_bits
from fnet_jax.pairs.match import Pair
from fnet_jax.synthetic import random_scene
from fnet_jax.web.app import DESKS

OFF = Edit(features=(Feature("u1", 2, 0.0), Feature("c", 0, 0.0)))
EDITS = [
    ({}, Edit()),
    ({"u1": 0.3, "u2": 2, "c": -1}, Edit(u1=0.3, u2=2, c=-1)),
    ({"off": [["c", 0], ["u1", 2], ["u1", 2]]}, OFF),
    ({"theta": 2.5}, Edit(theta_scale=2.5)),
    ({"theta": 0, "u1": 0.5, "off": [["u2", 1]]}, Edit(0.5, 1, 1, 0, (Feature("u2", 1, 0),))),
]


@pytest.fixture(scope="module")
def fuser():
    return Fuser.pretrained("xxxs")


@pytest.fixture
def state(site, scene):
    answer = site.pair((scene[0], "vis.png"), (scene[1], "ir.png"))
    assert answer.status == 200, answer.body
    return answer.json


@pytest.fixture
def deep(site, scene, tmp_path):
    """The contents of a 16-bit TIFF with metadata, and of a PNG; and the state of the pair."""
    exif = Image.Exif()
    exif[271] = "Made-up camera"
    metadata = {"exif": exif.tobytes(), "resolution": (300, 300)}
    one = written(tmp_path, scene[0].astype(np.uint16) * 250, "one.tif", metadata=metadata)
    two = png(scene[1])
    return one, two, site.pair((one, "one.tif"), (two, "two.png")).json


def at(state, path=""):
    return f"api/pairs/{state['pair']}{path}"


def fused_by_command(folder, fuser, one, two, **options):
    """The file that ``fnet fuse`` writes for two files with these contents."""
    paths = []
    for side, (content, name) in zip(("one", "two"), (one, two), strict=True):
        (folder / side).mkdir()
        paths.append(folder / side / name)
        paths[-1].write_bytes(content)
    (path,) = fuse_pairs(fuser, [Pair(*paths)], folder / "out", **options)
    return path.read_bytes()


def commanded(folder, monkeypatch, words, one, two):
    """What ``fnet fuse`` writes where files with these contents have the names it is given."""
    config = flags.parse(FuseConfig, words[2:])
    monkeypatch.chdir(folder)
    config.i1.write_bytes(one)
    config.i2.write_bytes(two)
    assert fuse.main(words[2:]) == 0
    return config.out.read_bytes()


def test_the_state_is_what_the_network_found(state, scene, fuser):
    found = fuser.decompose(*scene)
    assert (state["width"], state["height"]) == (64, 48)
    assert state["features"] == fuser.network.features
    assert state["live"]
    assert state["color"]
    assert not state["thermal"]
    for code in ("u1", "u2", "c"):
        theta = found[f"lzsc_{code}"]["theta"]
        np.testing.assert_allclose(state["thresholds"][code], theta, rtol=1e-6)
        assert sorted(state["strongest"][code]) == list(range(state["features"]))
    assert sum(state["shares"].values()) == pytest.approx(1)


@pytest.mark.parametrize(("asked", "edit"), EDITS)
def test_an_edit_is_that_of_the_library(site, state, scene, fuser, asked, edit):
    shown = site.post(at(state, "/fused"), asked)
    assert shown.headers["content-type"] == "image/png"
    expected = edits.fuse(fuser, *scene, edit)
    # Another compiled program, which sums in another order.
    assert np.abs(shown.pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("asked", "edit"), EDITS[1:])
def test_an_edit_is_downloaded_at_full_depth(site, deep, fuser, tmp_path, asked, edit):
    one, two, state = deep
    answer = site.post(at(state, "/download"), {"edit": asked})
    (tmp_path / "got.tif").write_bytes(answer.body)
    got = files.open(tmp_path / "got.tif")
    (tmp_path / "one.tif").write_bytes(one)
    (tmp_path / "two.png").write_bytes(two)
    pair = images.read(tmp_path / "one.tif"), images.read(tmp_path / "two.png", grey=True)
    assert got.pixels.dtype == np.uint16
    expected = edits.fuse(fuser, *pair, edit).astype(int)
    # Floats near 1 differ by 2e-7 per term of the sums; 65535 levels.
    assert np.abs(got.pixels - expected).max() <= 2
    assert got.metadata["exif"] == files.open(tmp_path / "one.tif").metadata["exif"]


@pytest.mark.parametrize("form", [None, "png", "jpg", "bmp", "tif"])
def test_a_download_is_the_file_of_the_command(site, state, scene, fuser, tmp_path, form):
    suffix = form and f".{form}"
    one, two = (png(scene[0]), "vis.png"), (png(scene[1]), "ir.png")
    expected = fused_by_command(tmp_path, fuser, one, two, suffix=suffix)
    answer = site.post(at(state, "/download"), {"format": form})
    assert answer.body == expected
    assert answer.filename == f"vis{suffix or '.png'}"
    assert answer.headers["content-disposition"].startswith("attachment;")
    said = site.post(at(state, "/command"), {"format": form}).json["command"]
    assert unquote(answer.headers["x-command"]) == said


def test_a_deep_download_keeps_depth_and_metadata(site, deep, fuser, tmp_path):
    one, two, state = deep
    answer = site.post(at(state, "/download"))
    assert answer.body == fused_by_command(tmp_path, fuser, (one, "one.tif"), (two, "two.png"))
    (tmp_path / "got.tif").write_bytes(answer.body)
    assert files.open(tmp_path / "got.tif").metadata["exif"]


@pytest.mark.parametrize(
    "settings",
    [
        *({}, {"color": "grey"}, {"color": "limited"}, {"range": "image"}),
        *({"range": "-5,40000.5"}, {"size": "xxs"}),
    ],
)
def test_the_command_does_the_same(site, deep, tmp_path, monkeypatch, settings):
    one, two, state = deep
    assert site.post(at(state, "/settings"), settings).status == 200
    command = site.post(at(state, "/command")).json["command"]
    answer = site.post(at(state, "/download"))
    words = shlex.split(command)
    assert words[:2] == ["fnet", "fuse"]
    assert commanded(tmp_path, monkeypatch, words, one, two) == answer.body


@pytest.mark.parametrize(("asked", "edit"), EDITS[1:])
def test_the_command_of_an_edit_explains_it(site, state, asked, edit):
    words = shlex.split(site.post(at(state, "/command"), {"edit": asked}).json["command"])
    assert words[:2] == ["fnet", "explain"]
    config = flags.parse(ExplainConfig, words[2:])
    features = tuple(Feature(*given) for given in config.feature)
    assert Edit(config.u1, config.u2, config.c, config.theta_scale, features) == edit
    assert (str(config.i1), str(config.i2)) == ("vis.png", "ir.png")


@pytest.mark.parametrize(
    "edit", [{"u1": float("nan")}, {"c": 1e9}, {"theta": -1}, {"off": [["u1", 9999]]}]
)
@pytest.mark.parametrize("path", ["fused", "download", "command"])
def test_edits_that_do_not_fit_are_refused_everywhere(site, state, path, edit):
    answer = site.post(at(state, f"/{path}"), edit if path == "fused" else {"edit": edit})
    assert answer.status == 422
    assert answer.error


@pytest.mark.parametrize("name", ["-i1.png", "~a b.png", "夜景's $(x).png", "../a\\b.png"])
def test_names_of_any_kind_come_back(site, scene, name):
    shown = name.rpartition("/")[2].rpartition("\\")[2]
    answer = site.pair((scene[0], name), (scene[1], "ir.png"))
    assert answer.json["name"] == shown
    download = site.post(at(answer.json, "/download"))
    assert download.filename == shown
    words = shlex.split(site.post(at(answer.json, "/command")).json["command"])
    assert flags.parse(FuseConfig, words[2:]).i1.name == shown


def test_files_of_one_name_are_told_apart(site, scene):
    state = site.pair((scene[0], "vi/1.png"), (scene[1], "ir/1.png")).json
    words = shlex.split(site.post(at(state, "/command")).json["command"])
    config = flags.parse(FuseConfig, words[2:])
    assert config.i1 != config.i2
    assert site.post(at(state, "/download")).filename == "1.png"


def test_maps_and_parts_have_the_size_of_the_image(site, state):
    for name in ("i1", "i2", "If_u1", "If_u2", "If_c", "shares"):
        answer = site.get(at(state, f"/picture/{name}.png?v=1"))
        assert answer.pixels.shape[:2] == (48, 64)
    assert site.get(at(state, "/map/u1/3.png?full=1")).pixels.shape == (48, 64)
    for missing in ("picture/celsius", "picture/before", "map/u1/9999", "map/x/1", "map/c/-1"):
        answer = site.get(at(state, f"/{missing}.png"))
        assert answer.status == 404
        assert answer.error
    assert site.get(at(state, f"/map/u1/{'9' * 5000}.png")).status == 404


def test_pictures_of_the_files_are_the_files(site, state, scene):
    for name, image in zip(("i1", "i2"), scene, strict=True):
        np.testing.assert_array_equal(site.get(at(state, f"/picture/{name}.png")).pixels, image)


def test_other_settings_are_another_version(site, scene):
    state = site.pair((scene[0], "vis.png"), (scene[1], "ir.png")).json
    changed = site.post(at(state, "/settings"), {"color": "grey"}).json
    assert changed["version"] > state["version"]
    assert changed["settings"] == state["settings"] | {"color": "grey"}
    assert not changed["color"]
    assert site.post(at(state, "/fused")).pixels.ndim == 2
    assert site.get(at(state)).json == changed


def test_settings_that_fail_change_nothing(site, scene):
    one, two = (site.upload(image, f"{image.ndim}").json["file"] for image in scene)
    state = site.post("api/pairs", {"i1": one, "i2": two}).json
    before = site.post(at(state, "/fused"), {"u1": 0.5}).body
    site.delete(f"api/uploads/{two}")
    answer = site.post(at(state, "/settings"), {"color": "grey"})
    assert answer.status == 422
    assert answer.error.startswith("2: ")
    assert site.get(at(state)).json == state
    assert site.post(at(state, "/fused"), {"u1": 0.5}).body == before


def test_few_pairs_are_kept(site, scene):
    pair = (scene[0], "vis.png"), (scene[1], "ir.png")
    opened = [site.pair(*pair).json for _ in range(DESKS + 1)]
    answer = site.post(at(opened[0], "/fused"))
    assert (answer.status, answer.error) == (404, "this pair was closed; open it again")
    assert all(site.get(at(state)).status == 200 for state in opened[1:])
    site.delete(at(opened[1]))
    assert site.get(at(opened[1])).status == 404


def test_pairs_whose_features_take_much_memory_are_alone(site, scene, monkeypatch):
    monkeypatch.setattr("fnet_jax.web.app.KEPT_BYTES", 1)
    pair = (scene[0], "vis.png"), (scene[1], "ir.png")
    opened = [site.pair(*pair).json for _ in range(2)]
    assert [site.get(at(state)).status for state in opened] == [404, 200]


def test_a_pair_that_is_too_large_for_edits_is_fused_all_the_same(site, scene, fuser, monkeypatch):
    monkeypatch.setattr("fnet_jax.web.desk.LIVE_BYTES", 1)
    state = site.pair((scene[0], "vis.png"), (scene[1], "ir.png")).json
    assert not state["live"]
    assert "too large" in state["why"]
    np.testing.assert_array_equal(site.post(at(state, "/fused")).pixels, fuser.fuse(*scene))
    for path in ("/fused", "/download"):
        asked = {"u1": 0.5, "edit": {"u1": 0.5}}
        answer = site.post(at(state, path), asked)
        assert answer.status == 422
        assert answer.error == "this image is too large for edits; use a smaller network"
    assert site.get(at(state, "/picture/i1.png")).status == 200
    assert site.get(at(state, "/map/u1/0.png")).status == 404
    assert site.post(at(state, "/download")).status == 200


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (48, 48)])
@pytest.mark.parametrize("level", [0, 255])
def test_small_and_flat_images_are_shown(site, size, level):
    image = np.full(size, level, np.uint8)
    state = site.pair((image, "vis.png"), (image, "ir.png"))
    assert state.status == 200, state.body
    for name in ("i1", "If_u1", "shares"):
        assert site.get(at(state.json, f"/picture/{name}.png")).pixels.shape[:2] == size
    assert site.get(at(state.json, "/map/c/0.png")).status == 200
    assert site.post(at(state.json, "/fused"), {"u1": 2}).pixels.shape == size


def test_one_image_is_no_pair(site, scene):
    answer = site.pair((scene[0], "vis.png"), (b"", "ir.png"))
    assert answer.status == 422
    key = site.upload(scene[0], "vis.png").json["file"]
    answer = site.post("api/pairs", {"photo": key})
    assert answer.status == 422
    assert answer.error.startswith("vis.png contains no image of a thermal camera")


def test_an_unforeseen_failure_is_one_line_too(site, state, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no\x1b\tluck")

    monkeypatch.setattr("fnet_jax.web.desk.Desk.fused", fail)
    answer = site.post(at(state, "/fused"))
    assert answer.status == 500
    assert answer.error == r"the request failed: no\x1b\tluck"
    assert "content-security-policy" in answer.headers
    monkeypatch.undo()
    assert site.post(at(state, "/fused")).status == 200
    assert caplog.records  # with a traceback, where the command runs


def test_a_sample_is_opened_by_its_name(site):
    about = site.get("api/about").json
    state = site.post("api/pairs", {"sample": about["samples"][0]["name"]}).json
    assert state["live"]
    command = site.post(at(state, "/command")).json["command"]
    config = flags.parse(FuseConfig, shlex.split(command)[2:])
    assert config.i1 != config.i2


def test_sizes_that_differ_are_refused_in_the_words_of_the_command(site, scene):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    answer = site.pair((scene[0], "vis.png"), (noise, "noise.png"))
    assert answer.status == 422
    assert answer.error == (
        "vis.png and noise.png: i2 has 50×40 pixels; registration needs at least 48 along each side"
    )
    noise = np.random.default_rng(0).integers(0, 256, (90, 100), dtype=np.uint8)
    answer = site.pair((scene[0], "vis.png"), (noise, "noise.png"))
    assert answer.status == 422
    assert answer.error.startswith("vis.png and noise.png differ in size and cannot be registered")


@pytest.fixture(scope="module")
def shifted():
    """I1, and I2 shifted against it by 6 and 9 pixels, of one size."""
    one, two = random_scene(150, 150, seed=3)
    return to_8_bits(one[6:146, 9:149]), to_8_bits(two[:140, :140])


def test_registration_is_applied_where_it_helps(site, shifted, tmp_path, monkeypatch):
    state = site.pair((shifted[0], "vis.png"), (shifted[1], "ir.png")).json
    assert state["registration"] is None
    state = site.post(at(state, "/settings"), {"register": "auto"}).json
    found = state["registration"]
    assert found["accepted"]
    assert found["applied"]
    before, after = (site.get(at(state, f"/picture/{n}.png")).pixels for n in ("before", "after"))
    assert before.shape == after.shape == (140, 140, 3)
    assert np.any(before != after)
    words = shlex.split(site.post(at(state, "/command")).json["command"])
    content = site.post(at(state, "/download")).body
    assert commanded(tmp_path, monkeypatch, words, *map(png, shifted)) == content


def test_registration_that_does_not_help_is_not_applied(site, scene):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    pair = (scene[0], "vis.png"), (noise, "ir.png")
    plain, state = site.pair(*pair).json, site.pair(*pair, register="auto").json
    assert not state["registration"]["accepted"]
    assert not state["registration"]["applied"]
    assert state["registration"]["reason"]
    fused = [site.post(at(each, "/fused")).body for each in (plain, state)]
    assert fused[0] == fused[1]


def test_images_that_differ_in_size_are_registered(site, shifted):
    answer = site.pair((shifted[0], "vis.png"), (shifted[1][:130, :125], "ir.png"))
    assert answer.status == 200, answer.body
    assert answer.json["registration"]["applied"]
    assert "the sizes differ, so the images are registered" in answer.json["notes"]
    assert (answer.json["width"], answer.json["height"]) == (140, 140)


def test_a_thermal_photo_has_temperatures(site, tmp_path, rng):
    path = photo(tmp_path / "photo.jpg", rng)
    upload = site.upload(path.read_bytes(), "photo.jpg").json
    assert upload["kind"] == "photo"
    state = site.post("api/pairs", {"photo": upload["file"]}).json
    assert state["thermal"]
    found = np.frombuffer(site.get(at(state, "/celsius.f32")).body, "<f4")
    found = found.reshape(state["height"], state["width"])
    np.testing.assert_array_equal(found, Loader().load(Pair(path, path)).celsius)
    assert site.get(at(state, "/picture/celsius.png")).pixels.shape == (*found.shape, 3)
    words = shlex.split(site.post(at(state, "/command")).json["command"])
    assert [str(path) for path in flags.parse(FuseConfig, words[2:]).photos] == ["photo.jpg"]
    words = shlex.split(site.post(at(state, "/command"), {"edit": {"u1": 0}}).json["command"])
    flags.parse(ExplainConfig, words[2:])


def test_temperatures_of_an_infrared_file_are_those_of_the_file(site, tmp_path, rng):
    path = photo(tmp_path / "ir.jpg", rng, visible=False)
    upload = site.upload(path.read_bytes(), "ir.jpg").json
    assert upload["kind"] == "image"
    visible = rng.integers(0, 256, (30, 40, 3), np.uint8)
    one = site.upload(visible, "vis.png").json["file"]
    state = site.post("api/pairs", {"i1": one, "i2": upload["file"]}).json
    found = np.frombuffer(site.get(at(state, "/celsius.f32")).body, "<f4")
    np.testing.assert_array_equal(found.reshape(30, 40), images.open(path).pixels)


def test_what_is_not_finite_is_no_json(site, state):
    """Python's parser knows NaN and Infinity."""
    for text in ('{"u1": NaN}', '{"theta": Infinity}', '{"c": -1e999}'):
        answer = site.raw("POST", site.base + at(state, "/fused"), body=text)
        assert answer.status in (400, 422)
        assert answer.error
