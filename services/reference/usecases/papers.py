"""Papers to keep: rights and statements as PDF. What they say is data to the template; the same data make the same bytes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from services.kit.web import filters
from services.kit.web.pages import KIT
from services.kit.web.words import Words
from services.reference.usecases.portal import Due, Held, Rights, Statements

FOLDER = Path(__file__).parents[1]
TEMPLATE = FOLDER / "templates" / "paper.typ"
_setting = asyncio.Semaphore(2)  # each takes a core


@dataclass(frozen=True, slots=True)
class Section:
    """A table; its last `figures` columns are aligned to the right."""

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""
    figures: int = 0


@dataclass(frozen=True, slots=True)
class Paper:
    lang: str
    title: str
    sender: str
    recipient: Sequence[str]
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    foot: str


async def pdf(paper: Paper) -> bytes:
    async with _setting:
        return await asyncio.to_thread(_compile, paper)


def rights(found: Rights, lang: str) -> Paper:
    say = words(lang).gettext
    standing = {"suspended": say("suspendu"), "ended": say("terminé"), "not_started": say("pas encore en vigueur")}

    def section(held: Held) -> Section:
        span = say("depuis le %(day)s", day=filters.day(held.starts_on, lang))
        until = f", {say('jusqu’au %(day)s', day=filters.day(held.ends_on, lang))}" if held.ends_on else ""
        state = f" · {standing[held.standing]}" if held.standing in standing else ""
        head = [say("Service"), say("Par an"), say("Utilisé"), say("Réservé"), say("Restant"), say("Plafond TTC")]
        plate = f" · {held.plate}" if held.plate else ""
        title = f"{held.label} · {held.number}{plate}"
        return Section(title, head if held.rights else (), [_right(due, lang) for due in held.rights], f"{span}{until}{state}", 5)

    renewals = {held.renews_on for held in found.contracts if held.renews_on}
    facts = [(say("Au"), filters.day(found.today, lang)), (say("Numéro"), found.member["number"])]
    if len(renewals) == 1:
        facts.append((say("Renouvelés le"), filters.day(renewals.pop(), lang)))
    senders = list(dict.fromkeys(held.principal for held in found.contracts if held.principal))
    return Paper(
        lang, say("Mes droits"), " · ".join(senders) or "Entraide", _addressee(found.member), facts, [section(held) for held in found.contracts],
        say("Droits d’après vos contrats, tels que connus ce jour."),
    )  # fmt: skip


def statement(member: Mapping[str, Any], row: Mapping[str, Any], sender: str, lang: str) -> Paper:
    say = words(lang).gettext
    facts = [
        (say("Référence"), row["reference"]),
        (say("Date"), filters.day(row["issued_on"], lang)),
        (say("Objet"), row["label"]),
        (say("Numéro"), member["number"]),
        *([(say("Contrat"), row["contract"])] if row["contract"] else []),
        (say("Remboursé"), filters.euro(row["paid_gross_cents"], lang)),
        *([(say("Payé le"), filters.day(row["paid_on"], lang))] if row["paid_on"] else []),
        (say("En attente"), filters.euro(row["pending_gross_cents"], lang)),
        *([(say("Prévu le"), filters.day(row["due_on"], lang))] if row["due_on"] else []),
    ]
    return Paper(lang, say("Relevé de remboursement"), sender, _addressee(member), facts, [], row["reference"])


def statements(member: Mapping[str, Any], found: Statements, sender: str, lang: str) -> Paper:
    say = words(lang).gettext
    rows = [
        [
            row["label"],
            row["reference"],
            filters.day(row["issued_on"], lang),
            filters.euro(row["paid_gross_cents"], lang),
            filters.euro(row["pending_gross_cents"], lang),
        ]
        for row in found.rows
    ]
    head = [say("Objet"), say("Référence"), say("Date"), say("Remboursé"), say("En attente")]
    facts = [(say("Numéro"), member["number"]), (say("En attente"), filters.euro(found.pending_gross_cents, lang))]
    table = Section(say("Relevés"), head, rows, "" if rows else say("Aucun relevé."), 2)
    return Paper(lang, say("Mes remboursements"), sender, _addressee(member), facts, [table], member["number"])


@cache
def words(lang: str) -> Words:
    return Words(lang, [FOLDER, KIT])


def _right(due: Due, lang: str) -> list[str]:
    entitled = due.entitled
    guarantee, used = entitled.guarantee, entitled.rights
    say = words(lang).gettext
    left = used.left(guarantee.units_per_year)
    counted = [guarantee.units_per_year, used.used, used.reserved, left]
    shown = [say("sans limite") if amount is None else filters.number(amount, lang) for amount in counted]
    if due.opens_on:
        shown[-1] = say("dès le %(day)s", day=filters.day(due.opens_on, lang))
    cap = "–" if guarantee.cap_gross_cents is None else filters.euro(guarantee.cap_gross_cents, lang)
    return [", ".join(filters.service(code, lang) for code in guarantee.services), *shown, cap]


def _addressee(member: Mapping[str, Any]) -> list[str]:
    return [f"{member['first_name']} {member['last_name']}".strip(), *filter(None, [member["address"]])]


def _compile(paper: Paper) -> bytes:
    import typst  # noqa: PLC0415 - 80 MB that most processes never need

    made: bytes = typst.compile(
        str(TEMPLATE), root=str(TEMPLATE.parent), sys_inputs={"paper": orjson.dumps(asdict(paper)).decode()}, ignore_system_fonts=True
    )
    return made
