"""Settings of dispatch."""

from datetime import timedelta

from services.dispatch.domain.mission import Rules
from services.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    offer_ttl_planned_s: int = 3_600
    offer_ttl_today_s: int = 900
    offer_ttl_immediate_s: int = 300
    offer_ttl_s: int | None = None  # for every urgency, instead of the three above
    max_attempts: int = 8  # offers for one wish, then a person decides
    task_due_s: int = 900

    @property
    def rules(self) -> Rules:
        def ttl(seconds: int) -> timedelta:
            return timedelta(seconds=self.offer_ttl_s or seconds)

        return Rules(
            {
                "planned": ttl(self.offer_ttl_planned_s),
                "today": ttl(self.offer_ttl_today_s),
                "immediate": ttl(self.offer_ttl_immediate_s),
            },
            self.max_attempts,
            timedelta(seconds=self.task_due_s),
        )
