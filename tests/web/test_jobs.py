import io
import zipfile

import numpy as np
import pytest
from made_up_fff import photo
from web_client import NEEDED, png, until

pytest.importorskip("uvicorn", reason=NEEDED)

from fnet_jax import Fuser
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.pairs.match import Pair
from fnet_jax.web.commands import Settings
from fnet_jax.web.jobs import Job


@pytest.fixture(scope="module")
def fuser():
    return Fuser.pretrained("xxxs")


def fused(site, files, **asked):
    """Starts a job and waits for it: its answers, from the first to the last."""
    started = site.post("api/jobs", {"files": files, **asked})
    assert started.status == 200, started.body
    path, seen = f"api/jobs/{started.json['job']}", []

    def over():
        seen.append(site.get(path).json)
        return seen[-1]["state"] != "running"

    until(over)
    return path, seen


def sent(site, contents):
    """Sends files by their names; the keys."""
    return [site.upload(content, name).json["file"] for name, content in contents.items()]


def unpacked(answer):
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def pairs_in(folder, scene, count):
    """Writes pairs of images that are paired by their names; their contents by name."""
    found = {}
    for i in range(count):
        for side, image in zip(("vis", "ir"), scene, strict=True):
            found[f"{i}_{side}.png"] = png(np.roll(image, 5 * i, axis=1))
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return found


def test_a_folder_is_fused_as_by_the_command(site, scene, fuser, tmp_path):
    contents = pairs_in(tmp_path, scene, 3)
    path, seen = fused(site, sent(site, {**contents, "lost_vis.png": contents["0_vis.png"]}))
    done = [state["done"] for state in seen]
    assert done == sorted(done)
    last = seen[-1]
    assert (last["state"], last["done"], last["total"]) == ("done", 3, 3)
    assert last["unmatched"] == ["lost_vis.png"]
    assert {name["state"] for name in last["names"]} == {"done"}
    pairs = [Pair(tmp_path / f"{i}_vis.png", tmp_path / f"{i}_ir.png") for i in range(3)]
    expected = {p.name: p.read_bytes() for p in fuse_pairs(fuser, pairs, tmp_path / "out")}
    answer = site.get(f"{path}/fused.zip")
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert unpacked(answer) == expected


def test_a_bad_file_is_named_and_stops_no_other(site, scene, tmp_path):
    contents = pairs_in(tmp_path, scene, 3)
    contents["1_ir.png"] = contents["1_ir.png"][:60]
    path, seen = fused(site, sent(site, contents))
    last = seen[-1]
    assert (last["state"], last["done"]) == ("done", 2)
    (line,) = last["lines"]
    assert line.startswith("1_ir.png: ")
    assert last["names"] == [
        {"name": "0_vis", "state": "done"},
        {"name": "1_vis", "state": "failed", "error": line},
        {"name": "2_vis", "state": "done"},
    ]
    assert {*unpacked(site.get(f"{path}/fused.zip"))} == {"0_vis.png", "2_vis.png"}


def test_two_folders_keep_their_names_and_a_format_may_be_chosen(site, scene):
    contents = {f"{side}/夜 {i}.png": png(image) for i in (1, 2) for side, image in zip(
        ("vi", "ir"), scene, strict=True)}  # fmt: skip
    path, seen = fused(site, sent(site, contents), format="jpg", settings={"color": "grey"})
    assert seen[-1]["state"] == "done"
    assert {*unpacked(site.get(f"{path}/fused.zip"))} == {"夜 1.jpg", "夜 2.jpg"}


def test_files_of_one_name_are_all_in_the_zip(site, tmp_path, rng):
    content = photo(tmp_path / "a.jpg", rng).read_bytes()
    path, seen = fused(site, [site.upload(content, "a.jpg").json["file"] for _ in range(2)])
    assert seen[-1]["done"] == 2
    assert len(unpacked(site.get(f"{path}/fused.zip"))) == 2


def test_files_that_do_not_belong_together_are_no_job(site, scene):
    for files in ([], sent(site, {"cat 1.png": scene[0], "dog 2.png": scene[1]})):
        answer = site.post("api/jobs", {"files": files})
        assert answer.status == 400
        assert answer.error.startswith("no two files form a pair")
    assert site.post("api/jobs", {"files": ["f0"]}).status == 404
    assert site.get("api/jobs/j0").status == 404
    assert site.delete("api/jobs/j0").status == 404
    assert site.get("api/jobs/j0/fused.zip").status == 404


def test_a_job_of_which_all_failed_has_no_zip(site):
    path, seen = fused(site, sent(site, {"1_vis.png": b"text", "1_ir.png": b"text"}))
    assert seen[-1]["state"] == "failed"
    assert seen[-1]["lines"]
    answer = site.get(f"{path}/fused.zip")
    assert (answer.status, bool(answer.error)) == (409, True)


def a_job(folder, scene, count):
    pairs_in(folder, scene, count)
    (folder / "out").mkdir()
    pairs = {f"j_{i}": Pair(folder / f"{i}_vis.png", folder / f"{i}_ir.png") for i in range(count)}
    return Job(pairs, {key: key for key in pairs}, {}, folder / "out", [])


def test_a_cancelled_job_stops_before_the_next_pair(scene, tmp_path, monkeypatch):
    fuser, job = Fuser.pretrained("xxxs"), a_job(tmp_path, scene, 8)
    fuse = fuser.fuse

    def cancelled(*arguments, **options):
        job.cancel()
        return fuse(*arguments, **options)

    monkeypatch.setattr(fuser, "fuse", cancelled)
    job.run(Settings(size="xxxs"), fuser, None, 10**6)
    assert job.state == "cancelled"
    assert job.described()["done"] < 8
    assert job.described()["lines"] == []


def test_cancelling_is_possible_at_any_time(site, scene, tmp_path):
    files = sent(site, pairs_in(tmp_path, scene, 6))
    key = site.post("api/jobs", {"files": files}).json["job"]
    assert site.delete(f"api/jobs/{key}").json == {}
    until(lambda: site.get(f"api/jobs/{key}").json["state"] in ("cancelled", "done"))
    assert site.delete(f"api/jobs/{key}").status == 200


def test_an_unforeseen_failure_ends_a_job(scene, tmp_path, fuser, monkeypatch):
    job = a_job(tmp_path, scene, 1)
    monkeypatch.setattr("fnet_jax.web.jobs.fuse_pairs", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.run(Settings(size="xxxs"), fuser, None, 10**6)
    assert job.state == "failed"
