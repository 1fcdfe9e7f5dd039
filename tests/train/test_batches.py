"""Batches: what they hold, and that each depends on the seed and its number alone."""

import numpy as np
import pytest

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


class Noise:
    """Pairs of random levels 80…180, whose contrast can be raised."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        images = np.random.default_rng(index).integers(80, 181, (2, 40, 50), np.uint8)
        return {"I1": images[0], "I2": images[1], "name": f"pair {index}"}


def crops_of_noise(**options):
    iterator = batches.batches(Noise(), batch=4, crop=8, seed=1, **options)
    return [next(iterator) for _ in range(50)]


def changed_images(**options):
    """Of each pair whether I1 and whether I2 is another image; the pairs are the same."""
    kinds = []
    for before, after in zip(crops_of_noise(), crops_of_noise(**options), strict=True):
        np.testing.assert_array_equal(before["index"], after["index"])
        kinds += zip(
            *((before[name] != after[name]).any(axis=(1, 2, 3)) for name in ("I1", "I2")),
            strict=True,
        )
    return kinds


def test_contrast_changes_its_share_of_the_images_each_by_itself_and_nothing_else():
    kinds = changed_images(contrast=0.25)
    shares = [kinds.count(kind) / len(kinds) for kind in ((True, False), (False, True))]
    # 3/16 of 200 pairs, with a standard deviation of 0.028
    assert all(0.08 < share < 0.3 for share in shares)
    assert (True, True) in kinds


def test_contrast_makes_a_part_black_and_a_part_white_and_keeps_the_order(rng):
    image = rng.uniform(0.2, 0.8, (32, 32, 1)).astype(np.float32)
    changed = batches.with_contrast(image, 0.4, 0.2)
    assert changed.dtype == np.float32
    assert abs((changed == 0).mean() - 0.2) < 0.01
    assert abs((changed == 1).mean() - 0.1) < 0.01
    order = np.argsort(image, axis=None)
    assert (np.diff(changed.ravel()[order]) >= 0).all()
    inside = (changed > 0) & (changed < 1)
    gain = np.polyfit(image[inside], changed[inside], 1)[0]
    np.testing.assert_allclose(gain, 1 / (0.74 - 0.32), rtol=0.05)  # the quantiles of the shares


def test_contrast_of_an_image_with_little_of_it_is_raised_four_times_at_most():
    faint = np.linspace(0.5, 0.51, 64, dtype=np.float32).reshape(8, 8, 1)
    changed = batches.with_contrast(faint, 0.0, 1.0)
    np.testing.assert_allclose(np.ptp(changed), 4 * np.ptp(faint), rtol=1e-4)
    assert not batches.with_contrast(np.full((8, 8, 1), 0.5, np.float32), 0.5, 0.5).any()


def test_alike_changes_one_image_of_its_share_of_the_pairs_and_nothing_else():
    kinds = changed_images(alike=0.4)
    shares = [kinds.count(kind) / len(kinds) for kind in ((True, False), (False, True))]
    # 1/5 of 200 pairs each, with a standard deviation of 0.028
    assert all(0.09 < share < 0.31 for share in shares)
    assert (True, True) not in kinds


@pytest.mark.parametrize(("changed", "kept"), [("I1", "I2"), ("I2", "I1")])
def test_a_pair_made_alike_has_one_image_and_a_mixture(rng, changed, kept):
    images = {name: rng.random((8, 8, 1), np.float32) for name in ("I1", "I2")}
    after = batches.made_alike(images, changed, 0.25)
    assert after[changed].dtype == np.float32
    np.testing.assert_array_equal(after[kept], images[kept])
    np.testing.assert_allclose(
        after[changed], 0.75 * images[changed] + 0.25 * images[kept], atol=1e-7
    )
    np.testing.assert_array_equal(batches.made_alike(images, changed, 1.0)[changed], images[kept])
