"""Settings of tracking."""

from datetime import timedelta

from services.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    watchdog_grace_s: int = 900  # a visit not started this long after its appointment began becomes a task

    @property
    def watchdog_grace(self) -> timedelta:
        return timedelta(seconds=self.watchdog_grace_s)
