"""The public API changes only on purpose."""

import inspect
import json

import api_surface

# What a call reads like without a name: metrics.explain(["MI"]), Fuser.pretrained("base").
POSITIONAL = {"fnet_jax.metrics.explain(metrics)", "fnet_jax.Fuser.pretrained(size)"} | {
    f"fnet_jax.synthetic.{name}({side})"
    for name in ("night_street", "phantom", "random_scene")
    for side in ("height", "width")
}


def test_the_public_api_is_the_one_that_is_kept():
    kept = json.loads(api_surface.FILE.read_text(encoding="utf-8"))
    assert api_surface.surface() == kept, "if it is meant, run: python tests/api_surface.py"


def test_optional_arguments_are_keyword_only():
    found = dict(api_surface.functions())
    assert {"fnet_jax.Fuser.fuse", "fnet_jax.metrics.mi", "fnet_jax.lzsc.iht"} <= found.keys()
    positional = {
        f"{name}({parameter.name})"
        for name, function in found.items()
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is not parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
    }
    assert positional == POSITIONAL
