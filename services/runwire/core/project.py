"""A langgraph.json, as the ecosystem knows it: the names of a project's objects, and how to import them.

Only processes that are there to run a project's code import any of it: workers, and the one that asks its `auth`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dotenv import load_dotenv

_log = logging.getLogger(__name__)

_NO_INDEX = "store.index of langgraph.json is not served: a query of a store's search ranks nothing"


class ProjectError(Exception):
    """A langgraph.json, or what it names, can't be used. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a langgraph.json says: where each graph and its `auth` are, what to import from, and the environment."""

    root: Path
    graphs: Mapping[str, str]
    dependencies: tuple[Path, ...]
    env: Mapping[str, str]
    env_file: Path | None
    auth: str = ""

    @classmethod
    def read(cls, path: Path) -> Project:
        """Reads a langgraph.json. Raises ProjectError."""
        if not path.is_file():
            raise ProjectError(f"There is no {path}: set RUNWIRE_GRAPHS to the langgraph.json of your project.")
        try:
            content = json.loads(path.read_text("utf-8"))
            if (content.get("store") or {}).get("index"):
                _log.warning(_NO_INDEX, extra={"action": "index_not_served"})
            root = path.resolve().parent
            env = content.get("env", {})
            return cls(
                root=root,
                graphs={name: _import_path(name, spec) for name, spec in content["graphs"].items()},
                dependencies=tuple(root / d for d in content.get("dependencies", ["."]) if d.startswith(".")),
                env=env if isinstance(env, dict) else {},
                env_file=root / env if isinstance(env, str) and env else None,
                auth=(content.get("auth") or {}).get("path", ""),
            )
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ProjectError(f"{path} is not a langgraph.json: {error!r}.") from error

    def enter(self) -> None:
        """Makes the project's modules importable and its environment visible, as its graphs expect."""
        for dependency in (self.root, *self.dependencies):
            if str(dependency) not in sys.path:
                sys.path.insert(0, str(dependency))
        for key, value in self.env.items():
            os.environ.setdefault(key, str(value))
        if self.env_file is not None:
            load_dotenv(self.env_file)

    def load(self, name: str) -> Any:
        """Imports the object that a graph's name stands for. Raises ProjectError."""
        return self.find(self.graphs[name], f"Graph {name}")

    def find(self, path: str, what: str) -> Any:
        """Imports the object at `./file.py:name` or `package.module:name`. ProjectError says `what` it was for."""
        where, _, attribute = path.rpartition(":")
        try:
            return getattr(self._import(where), attribute)
        except AttributeError as error:
            raise ProjectError(f"{what}: {where} has no {attribute}.") from error
        except Exception as error:
            raise ProjectError(f"{what}: {where} can't be imported: {error!r}.") from error

    def _import(self, where: str) -> ModuleType:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        file = (self.root / where).resolve()
        for base in (self.root, *self.dependencies):
            if file.is_relative_to(base.resolve()):
                name = ".".join(file.relative_to(base.resolve()).with_suffix("").parts)
                module = importlib.import_module(name)
                # Another package of that name may come first on the path.
                if module.__file__ and Path(module.__file__).resolve() == file:
                    return module
        spec = importlib.util.spec_from_file_location(f"_runwire_graph_{file.stem}", file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module


def _import_path(name: str, spec: Any) -> str:
    path = spec["path"] if isinstance(spec, dict) else spec
    where, _, attribute = path.rpartition(":")
    if not where or not attribute:
        raise ValueError(f"graph {name}: {path!r} is not of the form ./file.py:name or package.module:name")
    if where.endswith((".ts", ".js", ".mts", ".mjs")):
        raise ValueError(f"graph {name}: JavaScript graphs are not supported")
    return str(path)
