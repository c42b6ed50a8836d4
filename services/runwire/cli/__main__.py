"""`python -m runwire.cli` is `runwire`."""

from runwire.cli import main

if __name__ == "__main__":
    main()
