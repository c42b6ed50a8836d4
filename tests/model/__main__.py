"""`python -m tests.model KIND SEED` tells the story of one seed: what happened when, and what is wrong with it."""

from __future__ import annotations

import sys

from tests.model import follow_oracle, follow_world
from tests.model.seeds import quiet


def main(kind: str, seed: str) -> None:
    tell, violations = {"run": (follow_world.tell, follow_oracle.violations)}[kind]
    with quiet():
        story = tell(int(seed))
    print(story.weather)
    for at, what, details in story.journal:
        print(f"{at:9.4f}  {what}", *[str(detail)[:200] for detail in details])
    for text in violations(story) or ["nothing is wrong"]:
        print(f"=> {text}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
