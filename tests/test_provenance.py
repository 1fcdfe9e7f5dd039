import re

from fnet_jax import provenance
from fnet_jax.version import __version__


def test_the_fingerprint_is_of_names_and_bytes(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    files = [(name, tmp_path / name) for name in "ab"]
    first = provenance.fingerprint(files)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert provenance.fingerprint(files[::-1]) == first  # whatever their order
    assert provenance.fingerprint([("c", tmp_path / "a"), files[1]]) != first
    assert provenance.fingerprint([("a", tmp_path / "b"), ("b", tmp_path / "a")]) != first
    (tmp_path / "a").write_text("A")
    changed = provenance.fingerprint(files)
    assert changed != first
    (tmp_path / "a").unlink()
    assert provenance.fingerprint(files) not in (first, changed)  # counts as unreadable


def test_versions_and_the_date():
    found = provenance.versions("numpy", "no-such-package")
    assert found["fnet-jax"] == __version__
    assert re.match(r"\d+\.\d+", found["numpy"])
    assert found["no-such-package"] == "unknown"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", provenance.today())
