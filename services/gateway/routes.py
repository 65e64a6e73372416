"""The one table of who serves which path. The longest prefix wins, whole segments only; what is not here is the gateway's own or 404."""

LOCAL = "gateway"  # answered here, for somebody who is signed in

ROUTES = {
    "/": LOCAL,
    "/sign-out": LOCAL,
    "/api/gateway": LOCAL,
    "/api/intake": "intake",
    "/api/reference": "reference",
    "/api/dispatch": "dispatch",
    "/api/tracking": "tracking",
    "/api/billing": "billing",
    "/pages/intake": "intake",
    "/pages/reference": "reference",
    "/pages/dispatch": "dispatch",
    "/pages/tracking": "tracking",
    "/pages/billing": "billing",
    "/desk": "intake",
    "/desk/cases": "tracking",
    "/desk/cases/new": "intake",
    "/desk/tasks": "tracking",
    "/desk/files": "reference",
    "/desk/duplicates": "reference",
    "/desk/stuck": LOCAL,
    "/extranet": "dispatch",
    "/extranet/visits": "tracking",
    "/extranet/bills": "billing",
    "/board": "tracking",
    "/admin/catalogue": "reference",
    "/board/approvals": "reference",
    "/board/coverage": "reference",
    "/me": "reference",
    "/join": "reference",
}
# For whoever is not signed in: what they say who they are is all that these may believe.
PUBLIC = frozenset(
    {
        "/join",
        "/join/code",
        "/join/ticket",
        "/api/reference/v1/accounts/codes",
        "/api/reference/v1/accounts/tickets",
        "/api/gateway/v1/accounts",
    }
)
DEEPEST = max(prefix.count("/") for prefix in ROUTES)


def service_of(path: str) -> str | None:
    segments = path.split("/", DEEPEST + 1)[: DEEPEST + 1]
    while len(segments) > 1:
        if service := ROUTES.get("/".join(segments)):
            return service
        segments.pop()
    return None
