import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnet_jax import padding

sizes = st.tuples(st.integers(1, 900), st.integers(1, 900))


@given(st.lists(sizes, max_size=40))
@settings(max_examples=100, deadline=None)
def test_every_size_fits_into_a_planned_shape(images):
    shapes = padding.plan(images)
    assert len(shapes) <= len(set(images))
    assert all(any(padding.holds(shape, size) for shape in shapes) for size in images)
    assert all(side % padding.STEP == 0 for shape in shapes for side in shape)


@given(st.lists(sizes, min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_price_of_a_compilation_decides(images):
    assert len(padding.plan(images, cost=1e12)) == 1
    assert len(padding.plan(images, cost=-1)) == len({padding.round_up(s) for s in images})


def test_fifty_sizes_take_few_shapes_and_little_waste():
    images = [(300 + 3 * i, 480 + (7 * i) % 100) for i in range(50)]
    assert len(set(images)) == 50
    shapes = padding.plan(images)
    used = [min(padding.area(s) for s in shapes if padding.holds(s, size)) for size in images]
    assert len(shapes) <= 8
    assert sum(used) < 1.25 * sum(map(padding.area, images))


@given(st.lists(sizes, min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_choose_holds_the_image_and_wastes_little(images):
    shapes = []
    for size in images:
        shape = padding.choose(size, shapes)
        assert padding.holds(shape, size)
        assert padding.area(shape) <= padding.SPARE * padding.area(padding.round_up(size, step=32))
        if shape not in shapes:
            shapes.append(shape)


@pytest.mark.parametrize("images", [[], [(1, 1)], [(1, 1), (5000, 7)]])
def test_edges(images):
    assert len(padding.plan(images)) <= len(images)


def test_thousands_of_sizes_are_planned_too():
    """More sizes than are looked at pair by pair."""
    images = [(50 + i % 1900, 50 + (i * 37) % 1900) for i in range(5000)]
    assert len({padding.round_up(size) for size in images}) > padding.MOST_PLANNED
    shapes = padding.plan(images)
    assert all(any(padding.holds(shape, size) for shape in shapes) for size in images)
    assert len(shapes) <= padding.MOST_PLANNED
