"""Who the commands are to the services: the key and the certificates that their variables name."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

CALLERS_OWN = ("RUNWIRE_API_KEY", "RUNWIRE_CALLER_CA", "RUNWIRE_CALLER_CERTIFICATE", "RUNWIRE_CALLER_KEY")
"""What is the command's own, and no business of the processes that it starts."""


class Caller(BaseSettings):
    """Who the command is to the services. Files are PEM."""

    model_config = SettingsConfigDict(env_prefix="RUNWIRE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    api_key: SecretStr = SecretStr("")
    caller_ca: str = ""
    caller_certificate: str = ""
    caller_key: str = ""

    def metadata(self) -> Sequence[tuple[str, str]]:
        """For each call."""
        key = self.api_key.get_secret_value()
        return [("authorization", f"Bearer {key}")] if key else []
