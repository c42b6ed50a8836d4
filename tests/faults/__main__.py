"""`python -m tests.faults`: a campaign from the command line. Exit code 0: nothing broke; 1: something did."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from runwire.core.lifetime import runner
from tests.faults import faults, stories
from tests.faults.campaign import Options, Outcome, run

_SHOWN = 20


def main() -> int:
    """Reads the arguments, runs, and tells."""
    arguments = _arguments()
    options = Options(
        seed=arguments.seed,
        seconds=arguments.seconds or arguments.minutes * 60,
        pace=arguments.pace,
        pause=arguments.pause,
        followers=arguments.followers,
        kinds=arguments.faults or tuple(faults.KINDS),
        stories=arguments.stories or tuple(stories.ALL),
    )
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="runwire-faults-"))
    print(f"faults: seed {options.seed}, {options.seconds:g} s, in {folder}", flush=True)
    with runner() as loop:
        outcome = loop.run(run(options, folder))
    _tell(outcome)
    return 1 if outcome.violations or outcome.mistakes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./buildout.sh faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--pace", type=float, default=4.0, help="stories a second")
    parser.add_argument("--pause", type=float, default=2.5, help="seconds between faults, in the mean")
    parser.add_argument("--followers", type=int, default=50)
    parser.add_argument("--faults", nargs="*", choices=list(faults.KINDS), metavar="KIND", help="only these kinds")
    parser.add_argument("--stories", nargs="*", choices=list(stories.ALL), metavar="STORY", help="only these stories")
    parser.add_argument("--folder", help="where to leave history, journal and logs")
    return parser.parse_args()


def _tell(outcome: Outcome) -> None:
    evidence = outcome.evidence
    print(f"figures: {outcome.figures}")
    print(f"runs: {len(list(evidence.of('created')))}, faults: {sum(outcome.faults.values())} {outcome.faults}")
    print(f"processes: {evidence.figures}")
    for mistake in outcome.mistakes:
        print(f"mistake: {mistake}")
    for violation in outcome.violations[:_SHOWN]:
        print(f"\nVIOLATION of {violation.invariant}: {violation.text}")
        for line in violation.excerpt:
            print(f"    {line}")
    names = sorted({violation.invariant for violation in outcome.violations})
    print(f"\n{len(outcome.violations)} violations {names}, {len(outcome.mistakes)} mistakes, in {outcome.folder}")
    if outcome.violations or outcome.mistakes:
        options = outcome.options
        print(f"again: ./buildout.sh faults --seed {options.seed} --seconds {options.seconds:g}")


if __name__ == "__main__":
    sys.exit(main())
