"""The finance robot: one invoice per principal for the month."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.demo.robots.client import Client

BILLING = "/api/billing/v1"


async def invoice(finance: Client, principals: dict[str, str]) -> list[dict[str, Any]]:
    """`principals`: code -> id. Those issued; none for a principal of whom nothing was done."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # it may be tomorrow where the work was done
    issued = []
    for code, principal_id in principals.items():
        period = {"period_from": tomorrow.replace(day=1).isoformat(), "period_until": tomorrow.isoformat()}
        answer = await finance.command("POST", f"{BILLING}/invoices", {"principal_id": principal_id, **period})
        if answer.ok:
            issued.append({"principal": code, **answer.body})
        elif answer.code != "nothing_to_invoice":
            raise RuntimeError(f"the invoice of {code} was refused: {answer.body}")
    return issued
