"""Opening an account, over HTTP, for whoever is not signed in yet: a code, then a ticket that the gateway makes an account of."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from services.kit.app import PROBLEMS
from services.kit.auth import address
from services.kit.bounds import Day
from services.kit.tickets import LIFE, signing
from services.reference.domain.joining import CODE_LIFE
from services.reference.usecases import joining

router = APIRouter(prefix="/api/reference/v1/accounts", tags=["accounts"], responses=PROBLEMS)

Typed = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=r"^[^\x00]*$")]


class Who(BaseModel):
    number: Typed = Field(description="the member's number, as on the card")
    birth_date: Day


class CodeWanted(Who):
    channel: Literal["email", "sms"] = "email"


class CodeSent(BaseModel):
    """Whether or not there is such a member."""

    expires_in: int


class CodeTyped(Who):
    code: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{6}$")]


class TicketAnswer(BaseModel):
    """For `POST /api/gateway/v1/accounts`, once. `login`: what the account will be called if that is free."""

    ticket: str
    login: str
    expires_in: int


@router.post("/codes", status_code=202)
async def ask_for_a_code(body: CodeWanted, request: Request) -> CodeSent:
    """A one-time code goes to a phone or e-mail that we know of the member, if there is one: the answer is the same for everybody.
    Errors: 429 after 5 codes an hour for a person or 30 from an address, with Retry-After."""
    signing(request)
    async with request.app.state.db.transaction() as tx:
        await joining.ask(tx, body.number, body.birth_date, body.channel, address(request))
    return CodeSent(expires_in=CODE_LIFE // timedelta(seconds=1))


@router.post("/tickets")
async def answer_the_code(body: CodeTyped, request: Request) -> TicketAnswer:
    """A ticket of five minutes. Errors: 422 `wrong_code` for a code that is wrong, too old, tried 5 times or never sent; 429 as above."""
    ticket, login = await joining.answer(request.app.state.db, signing(request), body.number, body.birth_date, body.code, address(request))
    return TicketAnswer(ticket=ticket, login=login, expires_in=LIFE // timedelta(seconds=1))
