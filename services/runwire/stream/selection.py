"""Which events a reader wants. No IO."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runwire.api.type.v1 import run_pb2
from runwire.stream.batch import Batch, Label

_MODES = {
    "values": run_pb2.STREAM_MODE_VALUES,
    "update": run_pb2.STREAM_MODE_UPDATES,
    "message": run_pb2.STREAM_MODE_MESSAGES,
    "custom": run_pb2.STREAM_MODE_CUSTOM,
    "task_started": run_pb2.STREAM_MODE_TASKS,
    "task_finished": run_pb2.STREAM_MODE_TASKS,
    "checkpoint": run_pb2.STREAM_MODE_CHECKPOINTS,
    "debug": run_pb2.STREAM_MODE_DEBUG,
}
"""The mode that each payload belongs to. Payloads that are not here are always wanted."""


class Selection:
    """Events of some modes and from some subgraphs; with neither given, all. `lifecycle_only`: those of no mode."""

    def __init__(
        self,
        modes: Iterable[int] = (),
        namespaces: Iterable[Sequence[str]] = (),
        *,
        lifecycle_only: bool = False,
    ) -> None:
        self._modes = frozenset(modes)
        self._lifecycle_only = lifecycle_only
        self._namespaces = tuple(tuple(path) for path in namespaces)
        everywhere = not self._namespaces or () in self._namespaces
        self.is_all = not self._modes and everywhere and not lifecycle_only

    def wants(self, label: Label) -> bool:
        """Whether an event is wanted."""
        mode = _MODES.get(label.payload)
        if mode is None:
            return True
        if self._lifecycle_only:
            return False
        return (not self._modes or mode in self._modes) and self._wants_namespace(label.namespace)

    def _wants_namespace(self, namespace: tuple[str, ...]) -> bool:
        return not self._namespaces or any(_is_within(namespace, path) for path in self._namespaces)

    def take(self, batch: Batch, after_seq: int) -> bytes:
        """The wanted events of a batch with numbers above `after_seq`, as they came."""
        skip = max(after_seq + 1 - batch.first_seq, 0)
        if self.is_all:
            return batch.raw[batch.frames[skip].start :] if skip else batch.raw
        kept = zip(batch.frames[skip:], batch.labels[skip:], strict=True)
        return b"".join(batch.raw[frame.start : frame.end] for frame, label in kept if self.wants(label))


def _is_within(namespace: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """A subgraph's execution is named "node:task"; a path may say the node alone."""
    return len(namespace) >= len(path) and all(
        part == wanted or part.startswith(f"{wanted}:") for part, wanted in zip(namespace, path, strict=False)
    )
