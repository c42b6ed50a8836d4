"""Many seeds, and what is told of those that fail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

Judge = Callable[[int], list[str]]


@contextmanager
def quiet() -> Iterator[None]:
    """Servers go away all the time in these stories."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def expect_all_good(kind: str, judge: Judge, seeds: Iterable[int]) -> None:
    """Fails with the first seeds that fail."""
    failed: list[str] = []
    with quiet():
        for seed in seeds:
            if found := judge(seed):
                texts = "\n".join(f"    {text}" for text in found)
                failed.append(f"seed {seed}; the story: .venv/bin/python -m tests.model {kind} {seed}\n{texts}")
                if len(failed) == 3:
                    break
    assert not failed, "\n".join(["", *failed])


def first_bad(judge: Judge, seeds: Iterable[int]) -> int | None:
    """The first seed that fails."""
    with quiet():
        return next((seed for seed in seeds if judge(seed)), None)
