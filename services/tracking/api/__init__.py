"""The HTTP doors of tracking: `/api/tracking/v1`. Translate; decide nothing."""

from services.tracking.api import cases, live, missions, tasks

routers = [missions.router, cases.router, tasks.router, live.router]
