"""Settings of billing."""

from datetime import timedelta

from services.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    approve_up_to_cents: int = 100_000  # a provider's bill above this waits for a person
    overdue_after_s: int = 3 * 86_400  # a prestation without coverage decision is charged as refused after this long

    @property
    def overdue_after(self) -> timedelta:
        return timedelta(seconds=self.overdue_after_s)
