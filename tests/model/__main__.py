"""`python -m tests.model KIND SEED` tells the story of one seed: what happened when, and what is wrong with it."""

from __future__ import annotations

import sys

from tests.model import follow_oracle, follow_world, thread_oracle, thread_world
from tests.model.seeds import quiet


def main(kind: str, seed: str) -> None:
    number = int(seed)
    story: follow_world.Story | thread_world.ThreadStory
    with quiet():
        if kind == "thread":
            story = thread_world.tell(number)
            found = thread_oracle.violations(story)
        else:
            story = follow_world.tell(number)
            found = follow_oracle.violations(story)
    print(story.weather)
    for at, what, details in story.journal:
        print(f"{at:9.4f}  {what}", *[str(detail)[:200] for detail in details])
    for text in found or ["nothing is wrong"]:
        print(f"=> {text}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
