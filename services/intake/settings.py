"""Settings of intake."""

from datetime import timedelta

from services.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    close_after_s: int = 86_400  # a case whose needs are all final closes by itself after this long

    @property
    def close_after(self) -> timedelta:
        return timedelta(seconds=self.close_after_s)
