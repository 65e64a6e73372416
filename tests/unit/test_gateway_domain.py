"""Who may be what, where they arrive, and who serves which path."""

import pytest

from services.gateway import domain
from services.gateway.domain import NewClient, NewUser, ScopeNotHeld, WrongAccount
from services.gateway.routes import service_of

ID = "01890000-0000-7000-8000-000000000001"
GOOD = {"login": "claire.m", "password": "une phrase assez longue", "name": "Claire M."}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/desk", "intake"),
        ("/desk/", "intake"),
        ("/desk/cases", "tracking"),
        ("/desk/cases/0189", "tracking"),
        ("/desk/cases/new", "intake"),
        ("/desk/cases/new/step/2", "intake"),
        ("/desk/casesque", "intake"),
        ("/desk/tasks", "tracking"),
        ("/desk/stuck", "gateway"),
        ("/extranet/offers/1", "dispatch"),
        ("/extranet/visits/1", "tracking"),
        ("/extranet/bills", "billing"),
        ("/board", "tracking"),
        ("/me/statements", "reference"),
        ("/api/billing/v1/bills/1", "billing"),
        ("/api/gateway/v1/users", "gateway"),
        ("/pages/reference/rights", "reference"),
        ("/", "gateway"),
        ("/sign-in", None),
        ("/desks", None),
        ("/api", None),
        ("/api/elsewhere/v1", None),
        ("/pages/gateway/x", None),
        ("", None),
    ],
)
def test_the_longest_prefix_of_whole_segments_wins(path: str, service: str | None) -> None:
    assert service_of(path) == service


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/",
        "/\\evil.example",
        "https://evil.example/",
        "evil",
        "",
        "/\t/evil.example",
        "/\n//evil.example",
        "/sign-in",
        "/sign-out",
        "javascript:alert(1)",
    ],
)
def test_after_sign_in_nobody_is_sent_elsewhere(path: str) -> None:
    assert domain.safe_next(path) is None


def test_after_sign_in_a_path_of_ours_is_kept_with_its_query() -> None:
    assert domain.safe_next("/desk/cases?q=482 019&after=a:b:3") == "/desk/cases?q=482 019&after=a:b:3"


@pytest.mark.parametrize(
    ("roles", "path"),
    [
        (["agent"], "/desk"),
        (["admin", "supervisor"], "/desk"),
        (["admin"], "/desk/stuck"),
        (["provider_admin"], "/extranet"),
        (["principal"], "/board"),
        (["member"], "/me"),
    ],
)
def test_everybody_arrives_at_their_own_space(roles: list[str], path: str) -> None:
    assert domain.home(roles) == path


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": ()},
        {"roles": ("emperor",)},
        {"roles": ("agent", "provider"), "provider_id": ID},
        {"roles": ("provider",)},
        {"roles": ("agent",), "provider_id": ID},
        {"roles": ("member",), "principal_ids": (ID,), "member_id": ID},
        {"roles": ("principal",)},
        {"roles": ("agent",), "password": "short"},
        {"roles": ("agent",), "password": "Claire.M-is-my-name"},
        {"roles": ("agent",), "language": "de"},
        {"roles": ("agent",), "login": " a "},
    ],
)
def test_an_account_whose_parts_do_not_go_together_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(WrongAccount):
        domain.create_user(ID, NewUser(**(GOOD | wrong)))  # type: ignore[arg-type]


def test_a_login_is_kept_in_lower_case() -> None:
    user = domain.create_user(ID, NewUser(login=" Claire.M@Example.fr ", password="une phrase assez longue", name="Claire M.", roles=("agent",)))
    assert user.login == "claire.m@example.fr"
    assert user.version == 1


def test_an_account_is_closed_once() -> None:
    user = domain.create_user(ID, NewUser(roles=("agent",), **GOOD))
    closed = domain.deactivate(user)
    assert (closed.active, closed.version) == (False, 2)
    assert domain.deactivate(closed) is closed


def machine(**given: object) -> NewClient:
    return NewClient(**{"client_id": "robot", "secret": "x" * 32, "name": "Robot", "roles": ("agent",), **given})  # type: ignore[arg-type]


def test_a_machine_holds_no_more_than_its_roles_give() -> None:
    with pytest.raises(WrongAccount, match="gateway:write"):
        domain.create_client(ID, machine(scopes=("intake:write", "gateway:write")))
    with pytest.raises(WrongAccount):
        domain.create_client(ID, machine(secret="x" * 31))


def test_a_machine_is_granted_what_it_asks_for_or_all_it_holds() -> None:
    client = domain.create_client(ID, machine(scopes=("intake:read", "intake:write")))
    assert domain.grant(client, ["intake:read"]) == ("intake:read",)
    assert domain.grant(client, []) == ("intake:read", "intake:write")
    with pytest.raises(ScopeNotHeld):
        domain.grant(client, ["intake:read", "billing:read"])


def test_the_audience_of_a_token_is_the_services_of_its_scopes() -> None:
    assert domain.audience(domain.scopes_of(["provider"])) == ["billing", "dispatch", "tracking"]
    assert domain.audience(domain.scopes_of(["agent"])) == ["billing", "dispatch", "intake", "reference", "tracking"]


def test_the_auditor_writes_nothing() -> None:
    assert not [scope for scope in domain.scopes_of(["auditor"]) if scope.endswith(":write")]


def test_ten_failures_lock_a_person_and_not_a_machine() -> None:
    assert domain.may_try("person", 9, 9)
    assert not domain.may_try("person", 10, 10)
    assert domain.may_try("machine", 10, 10)
    assert not domain.may_try("machine", 0, 100)
