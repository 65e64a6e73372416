"""Amending a person: on the agent's panel, and by the member on their own page."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request, Response

from contracts.common import Code, Id
from services.kit.auth import DESK, Caller, allow
from services.kit.bounds import Seq, typed_version
from services.kit.db import Transaction
from services.kit.errors import Invalid, NotFound, Refusal, StaleVersion
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import forms, pages
from services.reference.pages import amending
from services.reference.store import amendments as store
from services.reference.store import members
from services.reference.usecases import amendments
from services.reference.usecases.amendments import by, by_purpose

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

Staff = Annotated[Caller, allow("reference:read", *DESK)]
Writer = Annotated[Caller, allow("reference:write", *DESK)]
Member = Annotated[Caller, allow("reference:read", "member")]
MemberWriter = Annotated[Caller, allow("reference:write", "member")]
Cmd = Annotated[Command, CommandDependency]
Given = Annotated[Literal["true", "false"], Form()]

PURPOSES = ("sms_updates", "satisfaction_survey", "marketing")


@router.get("/pages/reference/callers/{member_id}/card")
async def card(member_id: Id, request: Request, caller: Staff, seen: Seq = 0) -> Response:
    """The person as known this minute; nothing while it is the version that was `seen`."""
    async with request.app.state.db.transaction() as tx:
        standing = await store.standing(tx.conn, member_id)
        if standing is None:
            raise NotFound("no such member")
        if standing[0] == seen:
            return Response(status_code=204)
        return await _card(request, caller, tx, member_id, changed=True)


@router.post("/pages/reference/callers/{member_id}/amend")
async def amend(member_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    """What was typed comes back with what was wrong, or with what somebody else has changed meanwhile."""
    posted = forms.posted(await request.form())
    refusal = await _amend(request, caller, command, member_id, posted)
    async with request.app.state.db.transaction() as tx:
        return await _card(request, caller, tx, member_id, changed=refusal is None, typed=posted.values, refusal=refusal)


@router.get("/me/details")
async def details(request: Request, caller: Member, saved: bool = False) -> Response:
    """The member's own data and consents."""
    return await _details(request, caller, saved=saved)


@router.post("/me/details")
async def amend_own(request: Request, caller: MemberWriter, command: Cmd) -> Response:
    posted = forms.posted(await request.form())
    refusal = await _amend(request, caller, command, _own(caller), posted)
    if refusal is None:
        return Response(status_code=303, headers={"Location": "/me/details?saved=1"})
    return await _details(request, caller, typed=posted.values, refusal=refusal)


@router.post("/me/details/consents/{purpose}")
async def consent(
    purpose: Code, given: Annotated[Literal["true", "false"], Form()], request: Request, caller: MemberWriter, command: Cmd
) -> Response:
    """Given or withdrawn; the proof is the sentence that was shown."""
    words = _purposes(request).get(purpose)
    if words is None:
        raise NotFound("nobody asks for this")

    async def action(tx: Transaction) -> Response:
        await amendments.consent(tx, _own(caller), purpose, given=given == "true", proof=words, by=by(caller))
        return Response(status_code=303, headers={"Location": "/me/details"})

    return await command.run(action)


async def _amend(request: Request, caller: Caller, command: Command, member_id: str, posted: forms.Posted) -> Refusal | None:
    """What it was refused for."""

    async def action(tx: Transaction) -> dict[str, str]:
        row = await members.sheet(tx.conn, member_id)
        if row is None:
            raise NotFound("no such member")
        expected = typed_version(posted.version)
        if expected != row["version"]:  # what was shown is not known any more: nothing can be told from what was typed
            raise StaleVersion("somebody has changed this person; look again")
        wanted = amending.wanted(posted.values, row)
        await amendments.amend(tx, member_id, wanted, by(caller), expected, posted.values.get("reason", ""))
        return {}

    try:
        await command.run(action)
    except (Invalid, StaleVersion) as refusal:
        return refusal
    return None


def _form(request: Request, row: Mapping[str, Any], typed: Mapping[str, str], refusal: Refusal | None) -> forms.Form:
    if refusal is None:
        return amending.filled(row)
    errors = amending.wrong(templates.words(request), refusal) if isinstance(refusal, Invalid) else {}
    return amending.again(typed, row, errors)


async def _card(
    request: Request,
    caller: Caller,
    tx: Transaction,
    member_id: str,
    *,
    changed: bool,
    typed: Mapping[str, str] = MappingProxyType({}),
    refusal: Refusal | None = None,
) -> Response:
    """`changed`: what the case form knows of the person goes with it."""
    row = await members.sheet(tx.conn, member_id)
    if row is None:
        raise NotFound("no such member")
    about = await amending.about(tx, row, _form(request, row, typed, refusal), refusal.code if refusal else "")
    principal = await store.principal_label(tx.conn, row["principal_id"])
    return _render(request, caller, "person_panel.html", tx, refusal, **about, changed=changed, principal=principal)


async def _details(
    request: Request, caller: Caller, *, saved: bool = False, typed: Mapping[str, str] = MappingProxyType({}), refusal: Refusal | None = None
) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        row = await members.sheet(tx.conn, _own(caller))
        if row is None:
            raise NotFound("no such member")
        said = {one["purpose"]: one for one in by_purpose(await store.consents(tx.conn, row["id"]))}
    form = _form(request, row, typed, refusal)
    about: dict[str, Any] = {"person": amending.placed(row), "form": form, "refusal": refusal.code if refusal else ""}
    about["was"] = amending.filled(row).values
    about["languages"] = amending.languages(row["language"])
    about["consents"] = [(purpose, words, said.get(purpose)) for purpose, words in _purposes(request).items()]
    return _render(request, caller, "details.html", tx, refusal, active="details", saved=saved, **about)


def _render(request: Request, caller: Caller, name: str, tx: Transaction, refused: Refusal | None, **context: Any) -> Response:
    return templates.render(request, name, now=tx.now, caller=caller, csrf=caller.csrf or "", status=refused.status if refused else 200, **context)


def _purposes(request: Request) -> dict[str, str]:
    say = templates.words(request).gettext
    words = {
        "sms_updates": say("Me tenir au courant de mes demandes par SMS"),
        "satisfaction_survey": say("Me demander mon avis après une intervention"),
        "marketing": say("M’informer des offres de mon assureur ou de ma banque"),
    }
    return {purpose: words[purpose] for purpose in PURPOSES}


def _own(caller: Caller) -> str:
    """Raises `NotFound`."""
    if caller.member_id is None:
        raise NotFound("no member is linked to this account")
    return caller.member_id
