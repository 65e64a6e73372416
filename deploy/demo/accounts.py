"""Who signs in at the demo: machines for the robots, people for whoever looks on. Passwords are drawn at each start."""

import secrets
from dataclasses import dataclass, field
from random import SystemRandom

from deploy.demo import words
from deploy.demo.data import Member, Provider, World
from services.gateway.domain import NewClient, NewUser

DESKS = 6
PORTALS = 24  # members whose machine orders for them
SHOWN = ("kafka", "polling", "extranet")  # one provider per door has a person to sign in


@dataclass(frozen=True, slots=True)
class Machines:
    """By what they act for: a principal's code, a provider's id, a member's number."""

    desk: list[NewClient]
    finance: NewClient
    principals: dict[str, NewClient]
    providers: dict[str, NewClient]
    members: dict[str, NewClient]

    @property
    def all(self) -> list[NewClient]:
        return [*self.desk, self.finance, *self.principals.values(), *self.providers.values(), *self.members.values()]


@dataclass(frozen=True, slots=True)
class People:
    """All with the one password."""

    password: str
    users: list[NewUser] = field(default_factory=list)


def password() -> str:
    """Easy to type, and drawn by chance."""
    random = SystemRandom()
    drawn = [random.choice(words.NAME_BEGINNINGS) + random.choice(words.NAME_ENDINGS) for _ in range(2)]
    return f"{drawn[0]}-{drawn[1]}-{random.randrange(100, 1000)}".lower()


def machines(providers: tuple[Provider, ...], principals: dict[str, str], members: dict[str, str]) -> Machines:
    """`principals`: code -> id. `members`: number -> id."""

    def machine(client_id: str, name: str, *roles: str, **sees: object) -> NewClient:
        return NewClient(client_id=client_id, secret=secrets.token_urlsafe(32), name=name, roles=roles, **sees)  # type: ignore[arg-type]

    return Machines(
        desk=[machine(f"desk-{serial}", f"Plateau {serial}", "agent") for serial in range(1, DESKS + 1)],
        finance=machine("finance-1", "Comptabilité", "finance"),
        principals={code: machine(f"principal-{code}", code, "principal", principal_ids=(uuid,)) for code, uuid in principals.items()},
        providers={one.id: machine(f"provider-{one.code}", one.label, "provider", provider_id=one.id) for one in providers},
        members={number: machine(f"member-{number}", number, "member", member_id=uuid) for number, uuid in members.items()},
    )


def people(world: World, principals: dict[str, str], members: dict[str, str]) -> People:
    found = People(password())

    def person(login: str, name: str, *roles: str, **sees: object) -> None:
        found.users.append(NewUser(login=login, password=found.password, name=name, roles=roles, **sees))  # type: ignore[arg-type]

    person("agent", "Claire Montvert", "agent")
    person("superviseur", "Hugo Ravignac", "supervisor")
    person("finance", "Odette Clairfond", "finance")
    person("admin", "Malo Roquefort", "admin")
    for code, uuid in principals.items():
        person(code, f"Suivi {code}", "principal", "principal_approver", principal_ids=(uuid,))
    for door in SHOWN:
        firm = next(one for one in world.providers if one.door == door)
        person(firm.code, firm.label, "provider_admin", provider_id=firm.id)
    for number in list(members)[:2]:
        person(number.lower(), _name(world, number), "member", member_id=members[number])
    return found


def _name(world: World, number: str) -> str:
    member: Member = next(one for one in world.members if one.number == number)
    return f"{member.first_name} {member.last_name}"
