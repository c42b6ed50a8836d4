"""`python -m tests.faults`: a campaign from the command line. Exit code 0: nothing broke; 1: something did."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runwire.core.lifetime import runner
from tests.faults import faults, record, scenarios, stories
from tests.faults.campaign import Options, Outcome, run
from tests.faults.checker import Violation

_SHOWN = 20


def main() -> int:
    """Reads the arguments, runs, and tells."""
    arguments = _arguments(sys.argv[1:])
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="runwire-faults-"))
    if arguments.scenario:
        return _scenario(arguments.scenario, arguments.seed, folder, kept=arguments.record)
    options = _options(arguments)
    print(f"faults: seed {options.seed}, {options.seconds:g} s, in {folder}", flush=True)
    with runner() as loop:
        outcome = loop.run(run(options, folder))
    _tell(outcome)
    if arguments.record:
        print(f"recorded in {record.keep(record.of_campaign(outcome))}")
    return 1 if outcome.violations or outcome.mistakes else 0


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        seed=arguments.seed,
        seconds=arguments.seconds or arguments.minutes * 60,
        pace=arguments.pace,
        pause=arguments.pause,
        followers=arguments.followers,
        warm_up=arguments.warm_up,
        steady_least=arguments.steady,
        kinds=tuple(arguments.faults or faults.KINDS),
        stories=tuple(arguments.stories or stories.ALL),
    )


def _scenario(name: str, seed: int, folder: Path, *, kept: bool) -> int:
    print(f"scenario {name}: seed {seed}, in {folder}", flush=True)
    with runner() as loop:
        result = loop.run(scenarios.ALL[name](seed, folder))
    for figure, value in result.figures.items():
        print(f"{figure}: {value}")
    _tell_violations(result.violations)
    for miss in result.misses:
        print(f"missed: {miss}")
    print(f"{len(result.violations)} violations, {len(result.misses)} misses")
    if kept:
        print(f"recorded in {record.keep(record.of_scenario(name, seed, result))}")
    return 1 if result.violations or result.misses else 0


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./buildout.sh faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--pace", type=float, default=5.0, help="stories a second")
    parser.add_argument("--pause", type=float, default=1.5, help="seconds between faults, in the mean")
    parser.add_argument("--followers", type=int, default=50)
    parser.add_argument("--warm-up", type=float, default=8.0, help="seconds of load before the first measurement")
    parser.add_argument("--steady", type=float, default=30.0, help="least seconds of the last stretch")
    parser.add_argument("--faults", nargs="*", choices=list(faults.KINDS), metavar="KIND", help="only these kinds")
    parser.add_argument("--stories", nargs="*", choices=list(stories.ALL), metavar="STORY", help="only these stories")
    parser.add_argument("--scenario", choices=list(scenarios.ALL), help="one question instead of a campaign")
    parser.add_argument("--record", action="store_true", help="keep the figures in docs/reliability")
    parser.add_argument("--folder", help="where to leave history, journal and logs")
    return parser.parse_args(given)


def _tell(outcome: Outcome) -> None:
    evidence = outcome.evidence
    print(f"figures: {dict(outcome.figures)}, answers: {dict(outcome.answers)}")
    print(f"runs: {len(list(evidence.of('created')))}, faults: {outcome.faults.total()} {dict(outcome.faults)}")
    print(f"processes: {evidence.figures}")
    for mistake in outcome.mistakes:
        print(f"mistake: {mistake}")
    _tell_violations(outcome.violations)
    names = sorted({violation.invariant for violation in outcome.violations})
    print(f"\n{len(outcome.violations)} violations {names}, {len(outcome.mistakes)} mistakes, in {outcome.folder}")
    if outcome.violations or outcome.mistakes:
        print(f"again: {outcome.options.command}")


def _tell_violations(violations: Sequence[Violation]) -> None:
    for violation in violations[:_SHOWN]:
        print(f"\nVIOLATION of {violation.invariant}: {violation.text}")
        for line in violation.excerpt:
            print(f"    {line}")


if __name__ == "__main__":
    sys.exit(main())
