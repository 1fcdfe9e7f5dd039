"""Table III again: intervals, what an experiment is worth, and verdicts on the paper's orders."""

import json
import math

import numpy as np
import pytest
from command import ROOT
from scipy import stats

from eval.ablation import table3
from eval.ablation.table3 import Interval
from train.ablations import ABLATIONS


def test_the_papers_table_is_whole():
    table = table3.paper()
    assert table["columns"] == [*ABLATIONS, "FNet"]
    rows = [row for metrics in table["sets"].values() for row in metrics.values()]
    assert {len(row) for row in rows} == {16}
    assert len(rows) == 8 * 6 - 7  # seven rows of the paper do not have sixteen values
    assert table["sets"]["tno"]["MI"][-1] == 2.57
    assert table["sets"]["harvard_spect"]["VIF"][13] == 0.57


def test_an_interval_is_that_of_a_t_test(rng):
    values = rng.normal(1, 0.1, 5)
    found = Interval.of(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), expected)
    assert found.mean == pytest.approx(values.mean())


def test_one_seed_tells_nothing():
    found = Interval.of([0.5])
    assert found.mean == 0.5
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.side(1.0) == 0


def test_sides():
    interval = Interval(1.0, 0.9, 1.1)
    assert [interval.side(x) for x in (0.8, 0.95, 1.2)] == [1, 0, -1]


def means(mi, ce):
    return {"tno": {"MI": mi, "CE": ce}}


def test_less_is_better_counts_the_other_way():
    assert table3.worth(means(1.0, 2.0), means(2.0, 1.0)) == pytest.approx(0.5)
    assert table3.worth(means(2.0, 1.0), means(2.0, 1.0)) == 1
    only = table3.worth({"tno": {"MI": 3.0}}, means(2.0, 1.0))  # cells of both alone
    assert only == pytest.approx(1.5)


@pytest.mark.parametrize("bad", [0.0, math.nan])
def test_a_network_that_collapsed_is_not_judged_by_the_rest(bad):
    assert math.isnan(table3.worth(means(bad, 2.0), means(2.0, 1.0)))
    assert math.isnan(table3.worth(means(2.0, 2.0), means(2.0, bad)))


def test_what_differs_by_chance_alone_is_worth_1(rng):
    """Exchanging the networks turns a worth into its inverse, and so its interval."""
    one, other = ([means(*pair) for pair in rng.uniform(1, 3, (4, 2))] for _ in range(2))
    there, back = (
        Interval.of_ratios([table3.worth(a, b) for a, b in zip(x, y, strict=True)])
        for x, y in ((one, other), (other, one))
    )
    np.testing.assert_allclose(
        (there.mean, there.low, there.high), (1 / back.mean, 1 / back.high, 1 / back.low)
    )
    assert 0 < there.low < there.mean < there.high
    assert Interval.of_ratios([2.0]) == Interval(pytest.approx(2.0), -math.inf, math.inf)


def test_larger_tables_are_known(tmp_path):
    def holds(variants=("FNet", "AE1"), *, seeds=2, pairs=("a", "b")):
        return table3.holds_more(tmp_path, seeds, {"tno": pairs}, variants)

    assert not holds()
    content = {
        "budget": {"seeds": 2},
        "means": {"FNet": [], "AE1": []},
        "pairs": {"tno": ["a", "b"]},
    }
    (tmp_path / "ablations.json").write_text(json.dumps(content))
    assert not holds()
    assert not holds(("FNet", "AE1", "AE2"), seeds=3, pairs=("a", "b", "c"))
    assert holds(seeds=1, pairs=("a", "b", "c"))
    assert holds(("FNet", "AE2"), seeds=3)
    assert holds(seeds=3, pairs=("a", "c"))
    for damaged in ("[]", "{", "{}", '{"budget": {"seeds": 2}, "means": [], "pairs": 1}'):
        (tmp_path / "ablations.json").write_text(damaged)
        assert not holds(seeds=3)


def test_the_papers_means_are_of_the_same_cells():
    found = table3.paper_means(
        "AE13", like={"tno": {"MI": 0, "SSIM": 0}, "harvard_pet": {"Qcb": 0}}
    )
    assert found == {"tno": {"MI": 1.83}, "harvard_pet": {}}


def test_verdicts():
    for low, high, theirs, expected in [
        (0.8, 0.9, 0.95, "confirmed"),
        (0.8, 1.1, 0.95, "cannot tell"),
        (1.1, 1.2, 0.95, "the other way round"),
        (1.1, 1.2, 1.05, "confirmed"),
        (0.8, 0.9, 1.05, "the other way round"),
    ]:
        assert table3.verdict(Interval((low + high) / 2, low, high), theirs) == expected


@pytest.fixture
def values(rng):
    """Three seeds: AE13 far below FNet in TNO's MI, AE1 the same as FNet, in CE too."""
    of = lambda mi, ce: [means(mi + 0.01 * x, ce - 0.01 * x) for x in range(3)]
    return {"FNet": of(2.5, 2.0), "AE1": of(2.5, 2.0), "AE13": of(1.5, 1.0)}


def test_seeds_are_compared_pair_by_pair(values):
    found = table3.worths(values)
    assert (found["AE1"].low, found["AE1"].mean, found["AE1"].high) == (1, 1, 1)
    assert found["AE13"].mean > 1  # half the CE outweighs the lost MI


def test_cells_that_the_paper_lacks_do_not_count(values):
    more = {
        name: [
            {"tno": {**one["tno"], "SSIM": i + len(name)}, "msrs": {"MI": i + 1.0}}
            for i, one in enumerate(of)
        ]
        for name, of in values.items()
    }
    assert table3.worths(more) == table3.worths(values)
    none = {name: [{"msrs": {"MI": 1.0}}] * 2 for name in values}
    text = table3.summary(none, dict.fromkeys(none, [math.nan] * 2))
    assert "| AE1, LCSC blocks (ℓ1) | – | – | cannot tell | – |" in text


def test_orders_are_counted_cell_by_cell(values):
    # The paper: AE13 has less MI and more CE than FNet on TNO. Here CE is the other way round.
    # AE1 differs in both in the paper and in neither here.
    found = table3.orders(values)
    assert found == {"confirmed": 1, "the other way round": 1, "cannot tell": 2}


def test_the_tables_name_experiments_sets_and_verdicts(values):
    losses = {"FNet": [5.0, 6.0, 7.0], "AE1": [5.1, 6.1, 7.1], "AE13": [1.0, 1.0, 1.0]}
    first, _, *rows = table3.summary(values, losses).splitlines()
    assert first.endswith("| loss − FNet's |")
    assert rows[0].startswith("| AE1, LCSC blocks (ℓ1) | 1.000 [1.000, 1.000] |")
    assert rows[0].endswith("| +0.100 [+0.100, +0.100] |")  # seed by seed, not over all of them
    assert rows[1].endswith("| – |")  # its loss lacks a term
    assert len(rows) == 2
    text = table3.cells(values)
    assert "| set | metric | FNet | AE1 | AE13 |" in text
    assert (
        "| TNO | MI ↑ | 2.51 ± 0.02<br>2.57 | 2.51 ± 0.02<br>2.35 | 1.51 ± 0.02<br>1.83 |" in text
    )


def test_the_published_tables_are_of_the_published_means():
    found = json.loads((ROOT / "docs/ablations.json").read_text())
    text = (ROOT / "docs/ablations.md").read_text()
    assert table3.summary(found["means"], found["validation_loss"]) in text
    assert table3.cells(found["means"]) in text
    assert table3.orders(found["means"]) == found["orders"]
