"""The public API: names and signatures, which ``tests/api_surface.json`` keeps.

``python tests/api_surface.py`` replaces that file; review the differences before you commit them.
"""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
DOORS = (
    "fnet_jax",
    "fnet_jax.images",
    "fnet_jax.lzsc",
    "fnet_jax.metrics",
    "fnet_jax.registration",
    "fnet_jax.synthetic",
)
COMMANDS = (
    "fnet_jax.cli",
    "train",
    "eval",
    "eval.ablation",
    "eval.downstream",
)  # packages whose …Config are flags


UNPRINTED = type("Unprinted", (), {"__repr__": lambda self: "…"})()  # not a simple value


def surface():
    """What a user can rely on, by door and by command."""
    return {
        "doors": {door: dict(sorted(_described(door))) for door in DOORS},
        "flags": dict(sorted(_flags())),
    }


def functions():
    """Every public function, method and own constructor of the doors, by its full name."""
    for door in DOORS:
        for name, thing in _exported(door):
            if inspect.isclass(thing):
                if not dataclasses.is_dataclass(thing) and "__init__" in vars(thing):
                    yield f"{door}.{name}", thing.__init__
                for method, member in _members(thing):
                    if not isinstance(member, property):
                        yield f"{door}.{name}.{method}", getattr(thing, method)
            elif _is_function(thing):
                yield f"{door}.{name}", thing


def _is_function(thing):
    return callable(thing) and hasattr(thing, "__name__") and not hasattr(thing, "__origin__")


def _exported(door):
    module = importlib.import_module(door)
    return [(name, getattr(module, name)) for name in module.__all__]


def _described(door):
    for name, thing in _exported(door):
        if inspect.isclass(thing) and issubclass(thing, Exception):
            yield name, f"exception({thing.__base__.__name__})"
        elif inspect.isclass(thing):
            yield name, f"class{_signature(thing)}"
            for method, member in _members(thing):
                if isinstance(member, property):
                    yield f"{name}.{method}", "property"
                else:
                    yield f"{name}.{method}", _signature(getattr(thing, method))
        else:
            yield name, _signature(thing) if _is_function(thing) else type(thing).__name__


def _members(thing):
    """The public members that this project's classes define, inherited ones included."""
    found = {}
    for base in reversed(thing.__mro__):
        if _ours(base):
            found |= vars(base)
    for name, member in sorted(found.items()):
        public = name == "__call__" or not name.startswith("_")
        if public and isinstance(member, property | classmethod | staticmethod | type(_members)):
            yield name, member


def _ours(thing):
    return thing.__module__.split(".")[0] == "fnet_jax"


def _signature(function):
    """Parameters with their kinds and simple defaults, without types."""
    parameters = []
    known = inspect.signature(function).parameters
    for name, parameter in known.items():
        if name in ("parent", "name") and "parent" in known:  # linen adds these to every module
            continue
        simple = isinstance(parameter.default, str | int | float | bool | tuple | None)
        if parameter.default is not parameter.empty and not simple:
            parameter = parameter.replace(default=UNPRINTED)
        parameters.append(parameter.replace(annotation=inspect.Parameter.empty))
    return str(inspect.Signature(parameters))


def _flags():
    """The fields of each command's configuration, which its flags are made from."""
    for config in configs():
        yield config.__name__, [field.name for field in dataclasses.fields(config)]


def configs():
    """The configuration of each command."""
    for package in COMMANDS:
        path = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(path, f"{package}."):
            if module.ispkg:
                continue
            for name, thing in vars(importlib.import_module(module.name)).items():
                own = getattr(thing, "__module__", None) == module.name
                if own and name.endswith("Config") and dataclasses.is_dataclass(thing):
                    yield thing


def main():
    """Replaces the file."""
    FILE.write_text(json.dumps(surface(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
