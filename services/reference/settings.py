"""Settings of reference."""

from datetime import timedelta
from pathlib import Path

from services.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    reservation_days: int = 30  # units stay reserved this long after the wished time
    webhooks_file: Path | None = None  # TOML, a table a principal: url, secret

    @property
    def hold(self) -> timedelta:
        return timedelta(days=self.reservation_days)
