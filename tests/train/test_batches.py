"""Batches: what they hold, and that each depends on the seed and its number alone."""

import numpy as np

from train.data import batches


class Coded:
    """Pairs whose pixels tell where they come from: I1 tells the row, I2 the column."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        y, x = np.mgrid[:40, :50].astype(np.uint8)
        return {"I1": y, "I2": x, "name": f"pair {index}"}


def take(count, **options):
    options = {"batch": 4, "crop": 8, "seed": 1} | options
    iterator = batches.batches(Coded(), **options)
    return [next(iterator) for _ in range(count)]


def same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_crops_of_a_pair_come_from_one_place_and_are_flipped_alike():
    seen = set()
    for batch in take(20):
        assert batch["I1"].shape == batch["I2"].shape == (4, 8, 8, 1)
        assert batch["I1"].dtype == np.float32
        for rows, columns in zip(batch["I1"][..., 0] * 255, batch["I2"][..., 0] * 255, strict=True):
            down, right = np.sign(rows[1, 0] - rows[0, 0]), np.sign(columns[0, 1] - columns[0, 0])
            expected = rows[0, 0] + down * np.arange(8)[:, None]
            np.testing.assert_allclose(rows, np.tile(expected, 8), atol=1e-4)
            expected = columns[0, 0] + right * np.arange(8)
            np.testing.assert_allclose(columns, np.tile(expected, (8, 1)), atol=1e-4)
            seen.add((down, right))
    assert seen == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_every_pair_comes_once_before_any_comes_again():
    indices = np.concatenate([batch["index"] for batch in take(14)])  # 8 rounds of 7
    rounds = indices.reshape(8, 7)
    assert (np.sort(rounds, axis=1) == np.arange(7)).all()
    assert any((rounds[0] != other).any() for other in rounds[1:])


def test_the_seed_decides():
    same(take(5), take(5))
    one, other = take(1), take(1, seed=2)
    assert (one[0]["I1"] != other[0]["I1"]).any()


def test_a_batch_depends_on_its_number_not_on_where_one_starts():
    same(take(9)[6:], take(3, start=6))


def test_a_batch_is_the_same_for_any_number_of_processes():
    whole = take(9)
    parts = [take(9, process=p, processes=2) for p in (0, 1)]
    for t, batch in enumerate(whole):
        for name in batch:
            together = np.stack([parts[p][t][name] for p in (0, 1)], axis=1)
            np.testing.assert_array_equal(together.reshape(batch[name].shape), batch[name])


def test_a_batch_is_the_same_with_worker_processes():
    same(take(4), take(4, workers=2))


def test_the_state_of_an_iterator_is_its_place():
    iterator = batches.batches(Coded(), batch=4, crop=8, seed=1)
    for _ in range(3):
        next(iterator)
    state = iterator.get_state()
    after = [next(iterator) for _ in range(3)]
    other = batches.batches(Coded(), batch=4, crop=8, seed=1)
    other.set_state(state)
    same(after, [next(other) for _ in range(3)])
