import numpy as np

from fnet_jax.explain.likeness import edges, likeness


def test_correlations_are_those_of_numpy(rng):
    a, b = rng.random((2, 9, 8)).astype(np.float32)
    found = likeness({"a": a}, {"a": a, "b": b, "less": 1 - b, "flat": np.ones_like(a)})
    assert found["a"].keys() == {"b", "less", "flat"}
    np.testing.assert_allclose(found["a"]["b"], np.corrcoef(a.ravel(), b.ravel())[0, 1], atol=1e-6)
    np.testing.assert_allclose(found["a"]["less"], -found["a"]["b"], atol=1e-6)
    assert np.isnan(found["a"]["flat"])


def test_edges_are_where_the_step_is():
    image = np.zeros((5, 8))
    image[:, 4:] = 1
    np.testing.assert_array_equal(edges(image).any(axis=0), [0, 0, 0, 1, 1, 0, 0, 0])
