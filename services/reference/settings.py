"""Settings of reference."""

from datetime import timedelta

from services.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    reservation_days: int = 30  # units stay reserved this long after the wished time

    @property
    def hold(self) -> timedelta:
        return timedelta(days=self.reservation_days)
