"""Runs the embedded servers of the state folder it is given until its input ends."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from runwire.embedded import running


async def main(state_dir: Path) -> None:
    async with running(state_dir, durable=False) as servers:
        pids = [int(file.read_text()) for file in state_dir.glob("*/pid")]
        print(json.dumps({**asdict(servers), "pids": pids}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
