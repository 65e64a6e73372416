"""The other process of intake: relay, consumers, deadlines."""

from services.intake import usecases
from services.intake.listens import SUBSCRIPTIONS
from services.intake.settings import Settings
from services.kit import worker

DEADLINES = {"close_case": usecases.close_by_itself, "forget_case": usecases.forget}

if __name__ == "__main__":
    settings = Settings.read()
    usecases.close_after = settings.close_after
    worker.run("intake", settings, SUBSCRIPTIONS, DEADLINES)
