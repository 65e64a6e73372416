"""What is done with a case that is open: calling off and changing a need, and looking how it stands at another door."""

import time
from datetime import timedelta
from typing import Any

from deploy.demo.robots.client import Answer, Client
from deploy.demo.robots.scene import Case, Need, Scene

INTAKE = "/api/intake/v1"
TRACKING = "/api/tracking/v1"


async def call_off(scene: Scene, need: Need, reason: str = "changed_mind") -> bool:
    """False when it was refused: somebody is at work, or it is over."""
    sent = time.monotonic()
    case = need.case
    answer = await case.opener.command("POST", f"{INTAKE}/cases/{case.id}/needs/{need.id}/cancel", {"reason": reason})
    scene.did("cancelled" if answer.ok else f"cancellation refused: {answer.code}")
    if answer.ok:
        await watch(scene, "cancellation at the principal's", case.principal, case, answer, sent)
    return answer.ok


async def change_wish(scene: Scene, need: Need) -> bool:
    """Two hours longer than asked for. False when it was refused."""
    need.end += timedelta(hours=2)
    answer = await need.case.opener.command("PUT", f"{INTAKE}/cases/{need.case.id}/needs/{need.id}", wish(need))
    scene.did("wish changed" if answer.ok else f"change refused: {answer.code}")
    return answer.ok


def wish(need: Need) -> dict[str, Any]:
    caller = need.case.caller
    return {
        "place": caller.insee,
        "postcode": caller.postcode,
        "start": need.start.isoformat(),
        "end": need.end.isoformat(),
        "urgency": "today",
        "quantity": need.quantity,
    }


async def watch(scene: Scene, what: str, looking: Client, case: Case, answer: Answer, sent: float) -> None:
    """Times how long a command takes to stand in the view of the case at another door."""
    if answer.position is None:
        return
    shown = await looking.get(f"{TRACKING}/cases/{case.id}", after=answer.position)
    if shown.ok and not shown.body["recording"]:
        scene.seen(what, sent)
