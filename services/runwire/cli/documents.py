"""What the demo works on: a document and the example that reads it."""

from __future__ import annotations

from pathlib import Path

from runwire.cli.errors import DemoError

_LONGEST = 2_000_000  # characters
_OWN_DOCUMENTS = ("README.md", "examples/README.md")


def read_document(file: Path | None) -> tuple[Path, str]:
    """The path and the text of a file, or of the repository's own page. DemoError says what is wrong with it."""
    path = file or _own_document()
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise DemoError(f"{path} is not a text in UTF-8.") from None
    except OSError as error:
        raise DemoError(f"{path} can't be read: {error.strerror}.") from None
    if not text.strip():
        raise DemoError(f"{path} is empty.")
    if len(text) > _LONGEST:
        raise DemoError(f"{path} has {len(text):,} characters; the demo takes {_LONGEST:,} at most.")
    return path, text


def example_graphs() -> Path:
    """The langgraph.json of the examples."""
    for root in _roots():
        if (path := root / "examples/langgraph.json").is_file():
            return path
    raise DemoError("The examples were not found: run the demo in a clone of Runwire's repository.")


def _own_document() -> Path:
    for root in _roots():
        for name in _OWN_DOCUMENTS:
            if (path := root / name).is_file():
                return path
    raise DemoError("Name a text file for the demo to read.")


def _roots() -> tuple[Path, ...]:
    """Where the repository may be: the current folder, else the one that this code is in."""
    return Path.cwd(), Path(__file__).resolve().parents[3]
