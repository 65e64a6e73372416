"""The other process of reference: relay, consumers, deadlines."""

from services.kit import worker
from services.reference.listens import SUBSCRIPTIONS
from services.reference.settings import Settings
from services.reference.usecases import coverage

DEADLINES = {"reservation": coverage.expire}

if __name__ == "__main__":
    settings = Settings.read()
    coverage.hold = settings.hold
    worker.run("reference", settings, SUBSCRIPTIONS, DEADLINES)
