"""The first line of every page: where each role may go."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Link:
    href: str
    label: str
    key: str
    count: int = 0


DESK = (
    Link("/desk", "Appel", "call"),
    Link("/desk/cases", "Dossiers", "cases"),
    Link("/desk/tasks", "Tâches", "tasks"),
    Link("/desk/stuck", "Bloqués", "stuck"),
)
CASES = DESK[1:2]
PEOPLE = (Link("/desk/duplicates", "Identités", "duplicates"),)
FILES = (Link("/desk/files", "Fichiers", "files"),)
EXTRANET = (
    Link("/extranet", "Offres", "offers"),
    Link("/extranet/missions", "Missions", "missions"),
    Link("/extranet/bills", "Factures", "bills"),
)
BOARD = (Link("/board", "Tableau de bord", "board"), Link("/board/approvals", "Accords", "approvals"))
PORTAL = (
    Link("/me", "Mes droits", "me"),
    Link("/me/statements", "Mes remboursements", "statements"),
    Link("/me/details", "Mes données", "details"),
)
ADMIN = (Link("/admin/catalogue", "Catalogue", "catalogue"),)
LINKS = {
    "agent": DESK + PEOPLE, "supervisor": DESK + PEOPLE + FILES, "finance": CASES, "auditor": CASES, "admin": DESK + PEOPLE + FILES + ADMIN,
    "provider": EXTRANET, "provider_admin": EXTRANET, "principal": BOARD, "principal_approver": BOARD, "member": PORTAL,
}  # fmt: skip
ROLES = {
    "agent": "chargé d’assistance", "supervisor": "superviseur", "finance": "finance", "auditor": "auditeur",
    "admin": "administrateur", "provider": "prestataire", "provider_admin": "prestataire",
    "principal": "donneur d’ordre", "principal_approver": "donneur d’ordre", "member": "bénéficiaire",
}  # fmt: skip
AT_DESK = frozenset({"agent", "supervisor", "finance", "auditor", "admin"})


def navigation(roles: Collection[str], counts: Mapping[str, int]) -> list[Link]:
    """Each link once, in the order of the roles above, with what waits behind it."""
    links = dict.fromkeys(link for role, links in LINKS.items() if role in roles for link in links)
    return [replace(link, count=counts.get(link.key, 0)) for link in links]
