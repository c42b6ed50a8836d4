"""Who is let in: credentials become an `Identity` before a call's request is looked at, or the call is refused.

Owns what is asked of every call and how a server may be exposed. It never decides which rows a caller sees: statements
do, by the identity's tenant. Secrets go no further than this package: into no log, no error, no `repr`.
"""


class AccessError(Exception):
    """The access settings, or a file that they name, can't be used. The text says what to do."""
