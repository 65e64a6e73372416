"""The other process of billing: relay, consumers, deadlines."""

from services.billing import usecases
from services.billing.listens import SUBSCRIPTIONS
from services.billing.settings import Settings
from services.kit import worker

DEADLINES = {usecases.SETTLE: usecases.settle_waiting, usecases.OVERDUE: usecases.overdue}

if __name__ == "__main__":
    settings = Settings.read()
    usecases.approve_up_to_cents = settings.approve_up_to_cents
    usecases.overdue_after = settings.overdue_after
    worker.run("billing", settings, SUBSCRIPTIONS, DEADLINES)
