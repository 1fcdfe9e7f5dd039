"""``eval.benchmark``: the command as a user runs it, and the run that it goes on with."""

import json
import shutil

import jax
import numpy as np
import pytest
from command import run
from made_up_files import write_pair

from fnet_jax import images
from fnet_jax.cli import benchmark
from fnet_jax.errors import InputError
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.networks.fnet import FNet
from fnet_jax.paper import costs, table1
from fnet_jax.weights import checkpoints


@pytest.fixture
def data(tmp_path):
    """Two pairs of TNO, one of CT, and two of KAIST with the same file names."""
    for seed, name in enumerate(("01", "02")):
        write_pair(tmp_path / "data/TNO", "vi", "ir", name, seed)
    write_pair(tmp_path / "data/MRI_CT", "CT", "MRI", "11", 2)
    for seed, clip in enumerate(("V000", "V001")):
        folder = tmp_path / "data/KAIST/set00" / clip
        write_pair(folder, "visible", "lwir", "I00001", 3 + seed)
    return tmp_path / "data"


@pytest.fixture
def main(data, small_checkpoint, tmp_path, monkeypatch):
    """Runs the command in this process, without measuring costs, which takes one of its own."""
    fake = costs.Costs(320, 7, 1e9, 1e9, 0.5, 1.0, 10**8, "a device")
    monkeypatch.setattr(costs, "measure", lambda ckpt: fake)

    def call(*arguments, ckpt=small_checkpoint):
        given = ["--ckpt", str(ckpt), "--data", str(data), "--workers", "1", *map(str, arguments)]
        return benchmark.main(given)

    return call


@pytest.fixture
def fused(monkeypatch):
    """Sizes of what was fused since, in a list that a test may clear."""
    calls = []
    fuse = Fuser.fuse
    monkeypatch.setattr(
        Fuser,
        "fuse",
        lambda self, i1, i2, **how: calls.append(i1.shape) or fuse(self, i1, i2, **how),
    )
    return calls


def report_of(out):
    return json.loads((out / "report.json").read_text())


def test_the_command(data, small_checkpoint, tmp_path):
    shutil.rmtree(data / "KAIST")
    common = ["--ckpt", small_checkpoint, "--data", "data"]
    done = run("eval.benchmark", *common, "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 pairs of 2 sets in " in done.stdout
    content = report_of(tmp_path / "out")
    network, params, _ = checkpoints.load(small_checkpoint, FNet)
    assert content["costs"]["parameters"] == sum(x.size for x in jax.tree.leaves(params))
    weights = sum(x.size for x in jax.tree.leaves(params) if x.ndim == 4)
    assert content["costs"]["flops_of_filters"] == 2 * 320**2 * weights
    assert 0.5 < content["costs"]["flops"] / content["costs"]["flops_of_filters"] < 4
    assert content["costs"]["peak_bytes"] > 10**8  # Python with JAX is more
    assert content["costs"]["seconds"] > 0
    assert content["sets"]["harvard_ct"]["color"] == "limited"
    assert content["sets"]["tno"]["color"] == "grey"
    assert content["made_with"]["network"] == network.settings()

    done = run("eval.benchmark", *common, "--verify", "out/report.json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TNO: 14 of 14 means hold" in done.stdout
    assert done.stdout.endswith("out/report.json: holds\n")


def test_what_is_there_is_not_computed_again(main, data, fused, tmp_path, capsys):
    out = tmp_path / "out"
    assert main("--out", out) == 0
    assert len(fused) == 5
    first = report_of(out)
    assert {name: x["pairs"] for name, x in first["sets"].items()} == {
        "tno": 2,
        "kaist": 2,
        "harvard_ct": 1,
    }
    fused.clear()
    assert main("--out", out) == 0
    assert not fused
    assert report_of(out) == first

    write_again = images.read(data / "TNO/vi/02.png")[::-1]
    images.write(data / "TNO/vi/02.png", write_again, overwrite=True)  # a source has changed
    (out / "fused/harvard_ct/11.png").unlink()  # a fused image has gone
    kaist = sorted((out / "fused/kaist").iterdir())
    assert len(kaist) == 2
    images.write(kaist[0], np.zeros((48, 50), np.uint8), overwrite=True)  # another has changed
    assert main("--out", out) == 0
    assert len(fused) == 3
    again = report_of(out)
    assert again["sets"]["harvard_ct"] == first["sets"]["harvard_ct"]
    assert again["sets"]["kaist"] == first["sets"]["kaist"]
    changed, before = (x["sets"]["tno"] for x in (again, first))
    assert changed["fingerprint"] != before["fingerprint"]
    assert changed["values"]["01"] == before["values"]["01"]
    assert changed["values"]["02"] != before["values"]["02"]


def test_a_run_that_was_stopped_goes_on(main, fused, tmp_path, monkeypatch):
    out = tmp_path / "out"
    count_up, interrupted = Fuser.fuse, []

    def fuse(self, i1, i2, **how):
        if len(fused) == 2 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return count_up(self, i1, i2, **how)

    monkeypatch.setattr(Fuser, "fuse", fuse)
    assert main("--out", out) == 130
    assert not (out / "report.json").exists()
    assert main("--out", out) == 0
    assert len(fused) == 5


def test_other_weights_are_refused_and_other_versions_are_said(
    main, fused, small_network, tmp_path, capsys
):
    out = tmp_path / "out"
    assert main("--out", out, "--sets", "tno") == 0
    network, params = small_network
    other = tmp_path / "other"
    checkpoints.save(other, network, jax.tree.map(lambda x: x * 1.5, params))
    before = (out / "report.json").read_text()
    assert main("--out", out, ckpt=other) == 1
    assert "contains a benchmark of other weights; use another --out" in capsys.readouterr().err
    assert (out / "report.json").read_text() == before
    fused.clear()
    state = json.loads((out / "state.json").read_text())
    state["made_with"]["versions"] |= {"jax": "0.0", "Python": "0.0"}
    (out / "state.json").write_text(json.dumps(state))
    assert main("--out", out, "--sets", "tno") == 0
    assert len(fused) == 2
    assert f"again: jax was 0.0, is {jax.__version__}\n" in capsys.readouterr().out


def test_a_damaged_record_is_said_and_computed_again(main, fused, tmp_path, capsys):
    out = tmp_path / "out"
    assert main("--out", out, "--sets", "tno") == 0
    fused.clear()
    (out / "state.json").write_text("{", encoding="utf-8")
    assert main("--out", out, "--sets", "tno") == 0
    assert len(fused) == 2
    lines = capsys.readouterr().out.splitlines()
    assert any("state.json is damaged (" in line for line in lines)
    assert "tno: replacing 2 fused images without a valid record" in lines


def test_a_bad_pair_is_named_and_the_others_are_done(main, data, tmp_path, capsys):
    (data / "TNO/ir/01.png").write_bytes(b"no image")
    (data / "TNO/ir/02.png").rename(data / "TNO/ir/03.png")
    assert main("--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "TNO/ir/01.png: not in a known image format" in said
    assert "TNO/vi/02.png: has no partner" in said
    assert set(report_of(tmp_path / "out")["sets"]) == {"kaist", "harvard_ct"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: r["sets"]["tno"]["means"].update(MI=9.0), "TNO: 13 of 14 means hold, not MI"),
        (lambda r: r["sets"]["tno"].update(fingerprint="f"), "TNO: the data differ"),
        (lambda r: r["made_with"].update(weights="f"), "the weights differ"),
        (lambda r: r["sets"].update(cats=r["sets"]["tno"]), "the set is missing"),
        (lambda r: r.update(format=99), "report.json is not a report of this benchmark"),
        (lambda r: r.pop("sets"), "report.json is not a report of this benchmark"),
    ],
)
def test_a_report_that_does_not_hold(main, tmp_path, capsys, spoil, message):
    out = tmp_path / "out"
    assert main("--out", out, "--sets", "tno") == 0
    content = report_of(out)
    spoil(content)
    (out / "report.json").write_text(json.dumps(content))
    assert main("--verify", out / "report.json") == 1
    said = capsys.readouterr()
    assert message in said.out + said.err


def test_other_versions_are_told_but_do_not_count(main, tmp_path, capsys):
    out = tmp_path / "out"
    assert main("--out", out, "--sets", "tno") == 0
    content = report_of(out)
    content["made_with"]["versions"]["scipy"] = "0.1"
    (out / "report.json").write_text(json.dumps(content))
    assert main("--verify", out / "report.json") == 0
    assert "scipy was 0.1, is " in capsys.readouterr().out


def test_the_table_is_the_paper_s_with_ours_beside(main, tmp_path):
    assert main("--out", tmp_path / "out") == 0
    text = (tmp_path / "out/report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    rows = rows[: 2 + 8 * 6 + 3]
    assert {row.count("|") for row in rows} == {2 + 13 + 1 + 1}
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    named = dict(zip(cells[0], cells[2], strict=True))  # TNO's MI
    assert named["FNet"] == "**2.57**"
    assert named["SwinFusion"] == "<u>2.26</u>"
    assert named["Set"] == "TNO (VIS-IR), 2 of 25 pairs"
    content = report_of(tmp_path / "out")
    mean = content["sets"]["tno"]["means"]["MI"]
    apart = round(mean, 2) - 2.57
    expected = f"{mean:.2f}" + (f" ({apart:+.2f})" if abs(apart) > 0.0200001 else "")
    assert named["ours"] == expected
    low = dict(zip(cells[0], cells[3], strict=True))  # TNO's CE, where less is better
    assert (low["SwinFusion"], low["FNet"], low["AUIFNet"]) == (
        "**2.14**",
        "<u>2.20</u>",
        "<u>2.20</u>",
    )
    assert sum(row[-1] == "–" for row in cells) == 5 * 6
    assert "because the pairs differ from the paper's: TNO, KAIST, Harvard CT-MRI" in text


def test_differences_are_counted_on_complete_sets(main, tmp_path):
    assert main("--out", tmp_path / "out", "--sets", "tno") == 0
    content = report_of(tmp_path / "out")
    of_set = content["sets"]["tno"]
    of_set["pairs"] = of_set["pairs_of_the_paper"]
    column = table1.paper()["methods"].index("FNet")
    for metric, row in table1.paper()["sets"]["tno"].items():
        of_set["means"][metric] = row[column]
    assert table1.agreement(content) == "6 of 6 means are within 0.02 of the paper's (FNet)."
    of_set["means"]["CE"] += 0.02
    assert table1.agreement(content).startswith("6 of 6 ")
    of_set["means"]["CE"] += 0.01
    assert table1.agreement(content).startswith("5 of 6 ")
    assert table1.agreement(content).endswith("the others: TNO CE.")
    of_set["means"] |= {"VIF": None, "MI": "Infinity", "SSIM": "-Infinity"}
    assert table1.agreement(content) == (
        "2 of 6 means are within 0.02 of the paper's (FNet); the others: TNO MI (infinite), "
        "TNO CE, TNO VIF (undefined), TNO SSIM (infinite)."
    )
    assert "MI ∞ (2.57)" in table1.summary(content)
    assert "VIF – (" in table1.summary(content)
    assert "None" not in table1.markdown(content)
    assert "Infinity" not in table1.markdown(content)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--out", "a", "--verify", "b"],
        ["--out", "a", "--sets", "tno,moon"],
        ["--out", "a", "--sets="],
        ["--out", "a", "--sets", "tno", "--sets", "cats"],
        ["--out="],
    ],
)
def test_wrong_options_end_with_2(main, arguments):
    with pytest.raises(SystemExit) as ended:
        main(*arguments)
    assert ended.value.code == 2


def test_costs_of_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        costs.measure(tmp_path / "nowhere")
