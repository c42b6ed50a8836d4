"""How badly the network and the servers behave in one story."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Probabilities are of a single request or message; times are in seconds."""

    latency: float = 0.01
    stall: float = 0.0
    """Of a request that takes much longer."""
    refused: float = 0.0
    """Of a statement that is not executed."""
    answer_lost: float = 0.0
    """Of a statement that is executed, and whose caller gets an error."""
    unheard: float = 0.0
    """Of a publication that fails for good, perhaps after its first messages."""
    repeated: float = 0.0
    """Of a publication that is made twice."""
    postgres_away: tuple[tuple[float, float], ...] = ()
    redis_away: tuple[tuple[float, float], ...] = ()
    cut_off: tuple[float, ...] = ()
    """When subscribers' connections break."""
    deaf: tuple[float, ...] = ()
    """When subscribers' connections go dead; it shows some seconds later."""

    @property
    def bus_is_fine(self) -> bool:
        """Whether every message gets to whoever is subscribed, once."""
        return not (self.unheard or self.repeated or self.redis_away or self.cut_off or self.deaf)

    @property
    def postgres_is_fine(self) -> bool:
        """Whether Postgres answers at once."""
        return not (self.refused or self.answer_lost or self.postgres_away or self.stall)

    def travel(self, rng: random.Random) -> float:
        """How long a request or an answer is under way."""
        if self.stall and rng.random() < self.stall:
            return rng.uniform(0.1, 1.5)
        return rng.random() * 2 * self.latency


def forecast(rng: random.Random) -> Weather:
    """Each kind of trouble is there or is not, so that none hides another."""

    def perhaps(chance: float, low: float, high: float) -> float:
        return rng.uniform(low, high) if rng.random() < chance else 0.0

    def moments(chance: float) -> tuple[float, ...]:
        return tuple(sorted(rng.uniform(0, 4) for _ in range(rng.randint(1, 2)))) if rng.random() < chance else ()

    def spans(chance: float) -> tuple[tuple[float, float], ...]:
        return tuple((begin, begin + rng.uniform(0.05, 2.5)) for begin in moments(chance))

    return Weather(
        latency=rng.choice([0.0005, 0.005, 0.05]),
        stall=perhaps(0.2, 0.02, 0.2),
        refused=perhaps(0.2, 0.02, 0.3),
        answer_lost=perhaps(0.2, 0.02, 0.3),
        unheard=perhaps(0.3, 0.05, 0.5),
        repeated=perhaps(0.2, 0.05, 0.3),
        postgres_away=spans(0.1),
        redis_away=spans(0.1),
        cut_off=moments(0.2),
        deaf=moments(0.1),
    )
