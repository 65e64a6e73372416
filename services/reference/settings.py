"""Settings of reference."""

from datetime import timedelta
from pathlib import Path

from services.kit.settings import SendingSettings


class Settings(SendingSettings):
    reservation_days: int = 30  # units stay reserved this long after the wished time
    webhooks_file: Path | None = None  # TOML, a table a principal: url, secret
    ticket_keys_file: Path | None = None  # private JWK set: tickets for the gateway; without, members cannot open accounts

    @property
    def hold(self) -> timedelta:
        return timedelta(days=self.reservation_days)
