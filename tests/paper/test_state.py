"""What a benchmark keeps, how long it holds, and that it says what it computes again."""

import json

import pytest

from fnet_jax.errors import InputError
from fnet_jax.paper import state

VERSIONS = {"fnet-jax": "1", "Python": "3", "jax": "1", "scipy": "1", "pillow": "1", "orbax": "1"}
MADE_WITH = {
    "weights": "w",
    "network": {"features": 4},
    "profile": {"MI": {}},
    "versions": VERSIONS,
    "device": "cpu",
    "devices": "cpu:0",
}
FUSED = {"i1": "1", "i2": "2", "fused": "3"}
PAIRS = {"tno": {"a": FUSED | {"values": {"MI": 1.25, "CE": float("inf")}}}}
COSTS = {"side": 320, "seconds": 0.5}


@pytest.fixture
def kept(tmp_path):
    state.write(tmp_path, MADE_WITH, PAIRS, COSTS)
    return tmp_path


@pytest.fixture
def read(kept):
    """Reads the state; returns it and the lines that say what does not hold."""

    def call(made_with=MADE_WITH):
        said = []
        return *state.read(kept, made_with, note=said.append), said

    return call


def test_without_a_state_there_is_nothing_and_nothing_is_written(tmp_path):
    assert state.read(tmp_path / "out", MADE_WITH, note=pytest.fail) == ({}, {})
    assert not (tmp_path / "out").exists()


def test_what_was_written_is_read(read):
    assert read() == (PAIRS, COSTS, [])


@pytest.mark.parametrize(
    "other",
    [
        {"devices": "cpu:0, cpu:1"},
        {"versions": VERSIONS | {"orbax": "2", "Python": "4", "new": "1"}},
    ],
)
def test_what_cannot_matter_changes_nothing(read, other):
    assert read(MADE_WITH | other) == (PAIRS, COSTS, [])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"versions": VERSIONS | {"scipy": "2"}}, "scipy was 1, is 2"),
        ({"profile": {"MI": {"base": 2}}}, "the profile has changed"),
    ],
)
def test_scores_are_computed_again_where_they_alone_depend_on_it(kept, read, other, why):
    line = f"{kept}: computing the scores again: {why}"
    assert read(MADE_WITH | other) == ({"tno": {"a": FUSED}}, COSTS, [line])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"versions": VERSIONS | {"jax": "2", "scipy": "2"}}, "jax was 1, is 2"),
        ({"versions": {n: v for n, v in VERSIONS.items() if n != "jax"}}, "jax was 1, is unknown"),
        ({"device": "H100"}, "the device has changed"),
    ],
)
def test_all_is_computed_again_where_the_network_depends_on_it(kept, read, other, why):
    pairs, costs, (line,) = read(MADE_WITH | other)
    assert (pairs, costs) == ({}, {})
    what = "the fused images and their scores and the costs"
    assert line.startswith(f"{kept}: computing {what} again: {why}")


def test_images_depend_on_what_reads_them(kept, read):
    pairs, costs, (line,) = read(MADE_WITH | {"versions": VERSIONS | {"pillow": "2"}})
    assert (pairs, costs) == ({}, COSTS)
    assert line.startswith(f"{kept}: computing the fused images and their scores again: pillow was")


def test_other_weights_are_refused(kept, read):
    before = (kept / state.STATE).read_bytes()
    with pytest.raises(InputError, match=f"{kept} contains a benchmark of other weights; use"):
        read(MADE_WITH | {"weights": "v"})
    assert (kept / state.STATE).read_bytes() == before


def altered(change):
    """The state with a change to its content."""

    def of(content):
        read = json.loads(content)
        change(read)
        return json.dumps(read).encode()

    return of


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"\xff\xfe",
        lambda content: content[: len(content) // 2],
        lambda content: b"3",
        lambda content: b"[" * 100_000,
        lambda content: b'{"made_with": {}}',
        lambda content: content.replace(b"1.25", b"9.25"),
        altered(lambda read: read.pop("sha256")),
        altered(lambda read: read["costs"].update(seconds=1)),
        altered(lambda read: read.update(pairs=[])),
        altered(lambda read: read.update(made_with=[])),
        altered(lambda read: read["made_with"].update(versions=3)),
    ],
)
def test_a_damaged_state_is_said_and_all_is_computed_again(kept, read, damage):
    path = kept / state.STATE
    path.write_bytes(damage(path.read_bytes()))
    pairs, costs, (line,) = read()
    assert (pairs, costs) == ({}, {})
    assert line.startswith(f"{path} is damaged (")
    assert line.endswith("); everything is computed again")
    assert "\n" not in line


def test_a_state_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / state.STATE).mkdir()
    with pytest.raises(InputError) as refused:
        state.read(tmp_path, MADE_WITH, note=pytest.fail)
    assert str(refused.value).startswith(f"{tmp_path / state.STATE} cannot be read (is a dir")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=r"taken/state\.json: cannot be written .* another --out"):
        state.write(tmp_path / "taken", MADE_WITH, {}, {})
