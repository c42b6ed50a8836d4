"""A module that nothing of Runwire's imports."""


def bite(*_: object, **__: object) -> None:
    """What planted bytes would have called."""
