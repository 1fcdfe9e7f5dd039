import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnet_jax.fusing import shapes
from fnet_jax.fusing.costs import COSTS

sizes = st.tuples(st.integers(1, 900), st.integers(1, 900))


@given(st.lists(sizes, max_size=40))
@settings(max_examples=100, deadline=None)
def test_every_size_fits_into_a_planned_shape(images):
    planned = shapes.shared(images)
    assert len(planned) <= len(set(images))
    assert all(any(shapes.holds(shape, size) for shape in planned) for size in images)
    assert all(side % shapes.STEP == 0 for shape in planned for side in shape)


@given(st.lists(sizes, min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_price_of_a_compilation_decides(images):
    assert len(shapes.shared(images, cost=1e12)) == 1
    assert len(shapes.shared(images, cost=-1)) == len({shapes.round_up(s) for s in images})


def test_no_shape_grows_above_what_memory_allows():
    images = [(4000, 100), (100, 4000), (300, 300)]
    assert len(shapes.shared(images, cost=1e12)) == 1
    planned = shapes.shared(images, cost=1e12, largest=1.3e6)
    assert max(map(shapes.area, planned)) <= 1.3e6
    assert all(any(shapes.holds(shape, size) for shape in planned) for size in images)
    assert len(shapes.shared(images, most=1, largest=1.3e6)) == 1  # there have to be some


def test_fifty_sizes_take_few_shapes_and_little_waste():
    images = [(300 + 3 * i, 480 + (7 * i) % 100) for i in range(50)]
    assert len(set(images)) == 50
    planned = shapes.shared(images)
    used = [min(shapes.area(s) for s in planned if shapes.holds(s, size)) for size in images]
    assert len(planned) <= 8
    assert sum(used) < 1.25 * sum(map(shapes.area, images))


@given(st.lists(sizes, min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_choose_holds_the_image_and_wastes_little(images):
    known = []
    for size in images:
        shape = shapes.choose(size, known)
        assert shapes.holds(shape, size)
        assert shapes.area(shape) <= COSTS["xla"].spare * shapes.area(
            shapes.round_up(size, step=32)
        )
        if shape not in known:
            known.append(shape)


@given(st.lists(sizes, min_size=1, max_size=30), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_there_are_no_more_shapes_than_may_be(images, most):
    planned = shapes.shared(images, cost=-1, most=most)
    assert len(planned) <= most
    assert all(any(shapes.holds(shape, size) for shape in planned) for size in images)


def test_when_no_more_programs_fit_a_shape_may_waste_a_compilation():
    known = [(320, 320), (640, 640)]
    assert shapes.choose((64, 64), known) == (64, 64)
    assert shapes.choose((64, 64), known, full=True) == (320, 320)
    assert shapes.choose((330, 64), known, full=True) == (352, 64)  # 640×640 would waste too much
    assert shapes.choose((600, 600), known, full=True) == (640, 640)


@pytest.mark.parametrize("images", [[], [(1, 1)], [(1, 1), (5000, 7)]])
def test_edges(images):
    assert len(shapes.shared(images)) <= len(images)


def test_thousands_of_sizes_are_planned_too():
    """More sizes than are looked at pair by pair."""
    images = [(50 + i % 1900, 50 + (i * 37) % 1900) for i in range(5000)]
    assert len({shapes.round_up(size) for size in images}) > shapes.MOST_PLANNED
    planned = shapes.shared(images)
    assert all(any(shapes.holds(shape, size) for shape in planned) for size in images)
    assert len(planned) <= shapes.MOST_PLANNED
