"""What an account may be and see. People and machines are told apart only by how they prove who they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from services.kit.errors import Conflict, Forbidden, Invalid, TooMany, Unauthenticated

SESSION = timedelta(hours=12)
WINDOW = timedelta(minutes=15)
PER_LOGIN = 10
PER_ADDRESS = 100  # a call centre is one address
SHORTEST_PASSWORD = 12
SHORTEST_SECRET = 32
LANGUAGES = ("fr", "en")

CASEWORK = frozenset({"intake", "reference", "dispatch", "tracking", "billing"})
EVERYTHING = CASEWORK | {"gateway"}
NOTHING: frozenset[str] = frozenset()
# role → services it reads, services it writes; what it sees of them, each service decides
SERVICES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "agent": (CASEWORK, CASEWORK),
    "supervisor": (CASEWORK, CASEWORK),
    "finance": (CASEWORK, frozenset({"tracking", "billing"})),
    "admin": (EVERYTHING, EVERYTHING),
    "auditor": (EVERYTHING, NOTHING),
    "provider": (frozenset({"dispatch", "tracking", "billing"}), frozenset({"dispatch", "tracking", "billing"})),
    "provider_admin": (frozenset({"dispatch", "tracking", "billing"}), frozenset({"dispatch", "tracking", "billing"})),
    "principal": (CASEWORK, frozenset({"intake", "reference", "billing"})),
    "principal_approver": (CASEWORK, frozenset({"intake", "reference", "billing"})),
    "member": (frozenset({"intake", "reference", "tracking"}), frozenset({"intake", "reference", "tracking"})),
}
STAFF = frozenset({"agent", "supervisor", "finance", "admin", "auditor"})
TENANTS = {"provider": "provider_id", "provider_admin": "provider_id", "principal": "principal_ids", "principal_approver": "principal_ids",
           "member": "member_id"}  # fmt: skip
HOMES = {
    "agent": "/desk", "supervisor": "/desk", "provider": "/extranet", "provider_admin": "/extranet", "principal": "/board",
    "principal_approver": "/board", "member": "/me", "admin": "/desk/stuck", "finance": "/desk/cases", "auditor": "/desk/cases",
}  # fmt: skip


class WrongAccount(Invalid):
    """Roles, what they may see, or the secret do not go together."""

    code = "wrong_account"


class LoginTaken(Conflict):
    code, title = "login_taken", "This login is taken"


class AccountExists(Conflict):
    code, title = "account_exists", "This member has an account already"


class WrongCredentials(Unauthenticated):
    """Never tells whether the login exists."""

    code, title = "wrong_credentials", "Wrong login or password"


class TooManyAttempts(TooMany):
    code, title = "too_many_attempts", "Too many attempts, wait a quarter of an hour"


class ScopeNotHeld(Forbidden):
    code, title = "scope_not_held", "This client does not hold that scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sees:
    """What somebody may do, and of whom."""

    roles: tuple[str, ...]
    principal_ids: tuple[str, ...] = ()
    provider_id: str | None = None
    member_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser(Sees):
    login: str
    password: str
    name: str
    language: str = "fr"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient(Sees):
    """`scopes` empty: all that its roles may hold."""

    client_id: str
    secret: str
    name: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Sees):
    id: str
    login: str
    name: str
    language: str
    active: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(Sees):
    id: str
    client_id: str
    name: str
    scopes: tuple[str, ...]
    active: bool


def erase(user: User) -> User:
    """Nobody's any more. Again: the same."""
    login = f"erased-{user.id}"
    return user if user.login == login else replace(user, login=login, name="", active=False, version=user.version + 1)


def create_user(user_id: str, new: NewUser) -> User:
    """Raises `WrongAccount`."""
    login = new.login.strip().lower()
    if not 3 <= len(login) <= 120:
        raise WrongAccount("a login has 3 to 120 characters")
    if not SHORTEST_PASSWORD <= len(new.password) <= 128 or login in new.password.lower():
        raise WrongAccount(f"a password has {SHORTEST_PASSWORD} to 128 characters and does not contain the login")
    if new.language not in LANGUAGES:
        raise WrongAccount(f"the language is one of {', '.join(LANGUAGES)}")
    _check(new)
    return User(
        id=user_id, login=login, name=new.name, language=new.language, active=True, version=1,
        roles=new.roles, principal_ids=new.principal_ids, provider_id=new.provider_id, member_id=new.member_id,
    )  # fmt: skip


def deactivate(user: User) -> User:
    return replace(user, active=False, version=user.version + 1) if user.active else user


def create_client(client_uuid: str, new: NewClient) -> Client:
    """Raises `WrongAccount`."""
    if not SHORTEST_SECRET <= len(new.secret) <= 256:
        raise WrongAccount(f"a client's secret has {SHORTEST_SECRET} to 256 characters, drawn by chance")
    _check(new)
    allowed = scopes_of(new.roles)
    if beyond := set(new.scopes) - set(allowed):
        raise WrongAccount(f"its roles do not give {', '.join(sorted(beyond))}")
    return Client(
        id=client_uuid, client_id=new.client_id, name=new.name, scopes=tuple(new.scopes) or allowed, active=True,
        roles=new.roles, principal_ids=new.principal_ids, provider_id=new.provider_id, member_id=new.member_id,
    )  # fmt: skip


def _check(sees: Sees) -> None:
    """Staff see everybody, so nobody is staff and a tenant at once; a tenant's role comes with its tenant, and only with it."""
    roles = set(sees.roles)
    if not roles or roles - SERVICES.keys():
        raise WrongAccount(f"roles are some of {', '.join(SERVICES)}")
    if roles & STAFF and roles - STAFF:
        raise WrongAccount("staff and outside roles do not go together")
    needed = {TENANTS[role] for role in roles & TENANTS.keys()}
    for field in set(TENANTS.values()):
        if bool(getattr(sees, field)) != (field in needed):
            raise WrongAccount(f"{field} is given exactly when a role needs it")


def scopes_of(roles: Collection[str]) -> tuple[str, ...]:
    """All that these roles may hold, sorted."""
    read = {f"{service}:read" for role in roles for service in SERVICES[role][0]}
    return tuple(sorted(read | {f"{service}:write" for role in roles for service in SERVICES[role][1]}))


def grant(client: Client, asked: Sequence[str]) -> tuple[str, ...]:
    """What is asked for, or all when nothing is. Raises `ScopeNotHeld`."""
    if set(asked) - set(client.scopes):
        raise ScopeNotHeld
    return tuple(sorted(set(asked))) or client.scopes


def audience(scopes: Collection[str]) -> list[str]:
    return sorted({scope.partition(":")[0] for scope in scopes})


def may_try(kind: str, of_login: int, from_address: int) -> bool:
    """Given the failures within WINDOW. A machine is not locked by its id, which is no secret: nobody guesses what was drawn by chance."""
    return from_address < PER_ADDRESS and (kind == "machine" or of_login < PER_LOGIN)


def home(roles: Collection[str]) -> str:
    return next((path for role, path in HOMES.items() if role in roles), "/")


def safe_next(path: str) -> str | None:
    """The path, when it stays on this origin: browsers read `//` and `/\\` as another host, and drop tabs and line ends."""
    if not path.startswith("/") or path[1:2] in ("/", "\\") or any(character < " " for character in path) or path.startswith("/sign-"):
        return None
    return path
