"""Outgoing mail and SMS: rows of the transaction that they follow from, sent by the worker once it has committed.

At least once: whoever is killed between sending and noting it sends again, with the same Message-ID (mail) or Idempotency-Key (SMS).
One key is one notice, however often it is put. Logs tell ids, channels and codes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from services.kit import failpoints, mail, metrics, sms
from services.kit.clock import new_id
from services.kit.consumer import infrastructure
from services.kit.db import Connection, Database, Transaction
from services.kit.sending import Message, Never, NotNow
from services.kit.settings import SendingSettings

Channel = Literal["email", "sms"]
FIRST_WAIT = timedelta(minutes=1)  # longer than sending may take: meanwhile nobody else takes the notice
LONGEST_WAIT = timedelta(hours=2)
PATIENCE = timedelta(hours=48)
AT_ONCE = 8
KEPT_DAYS = 30  # to whom, and what
REMEMBERED_DAYS = 90  # that there was one under this key
DEFAULT = "fr"
log = structlog.get_logger()


class Text(NamedTuple):
    """An SMS has no subject."""

    body: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """`key` says what it is about, and when: `visit-moved:<id>:3`. `texts`: by language; who reads none of them gets French.

    `urgent`: at night too. `until`: pointless afterwards. `kept`: whether recipient and text stay for the 30 days of deliveries; a code
    does not. `zone`: whose night counts.
    """

    key: str
    channel: Channel
    to: str
    language: str
    texts: Mapping[str, Text]
    urgent: bool = False
    until: datetime | None = None
    kept: bool = True
    zone: str = "Europe/Paris"


Send = Callable[[Message], Awaitable[None]]


async def put(tx: Transaction, *notices: Notice) -> None:
    """Goes out when, and only if, the transaction commits; a key that is known already changes nothing."""
    rows = []
    for notice in notices:
        language = notice.language if notice.language in notice.texts else DEFAULT
        text = notice.texts[language]
        until = notice.until or tx.now + PATIENCE
        what = (notice.key, notice.channel, notice.to, language, text.subject, text.body)
        rows.append((new_id(), *what, notice.zone, notice.urgent, notice.kept, tx.now, until))
    await tx.conn.executemany(
        "insert into kit.notice (id, key, channel, recipient, language, subject, body, zone, urgent, kept, put_at, next_try, until)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12) on conflict do nothing",
        rows,
    )


async def forget(conn: Connection, recipients: Sequence[str]) -> None:
    """To whom and what of everything that went to these addresses or numbers; what waits does not go out."""
    await conn.execute(
        "update kit.notice set recipient = null, body = null, subject = '', next_try = null,"
        " reason = case state when 'waiting' then 'erased' else reason end, ended_at = coalesce(ended_at, now()),"
        " state = case state when 'waiting' then 'given_up' else state end where recipient = any($1::text[])",
        recipients,
    )


def quiet_until(now: datetime, zone: str, first: int, last: int) -> datetime | None:
    """When the night that it is now ends there; None by day. Hours of the clock, a night may go over midnight."""
    local = now.astimezone(ZoneInfo(zone))
    night = first <= local.hour < last if first <= last else local.hour >= first or local.hour < last
    if not night:
        return None
    morning = datetime.combine(local.date(), time(last), local.tzinfo)
    return morning if morning > local else morning + timedelta(days=1)


class Notifier:
    """Sends what is due. `channels`: those that are set up; what has none waits for it, and is given up in the end. `night`: its first hour
    and the first after it. `first_wait`: before the second try; each further one is twice as long."""

    def __init__(self, db: Database, channels: Mapping[str, Send], *, night: tuple[int, int], first_wait: timedelta = FIRST_WAIT) -> None:
        self._db = db
        self._channels = channels
        self._night = night
        self._first_wait = first_wait

    async def run(self) -> None:
        while True:
            sent = 0
            try:
                sent = await self.step()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as failure:
                if not infrastructure(failure):
                    raise
            if not sent:
                await asyncio.sleep(0.5)

    async def step(self) -> int:
        """How many were taken, 0 when none is due."""
        async with self._db.transaction() as tx:
            due = [dict(row) for row in await tx.conn.fetch(_TAKE, self._first_wait, LONGEST_WAIT, AT_ONCE)]
            ready = []
            for row in due:
                morning = None if row["urgent"] else quiet_until(tx.now, row["zone"], *self._night)
                if tx.now >= row["until"]:
                    await self._end(tx.conn, row, "given_up", row["reason"] or "too_late")
                elif morning:
                    await tx.conn.execute("update kit.notice set next_try = $2, tries = tries - 1 where id = $1", row["id"], morning)
                else:
                    ready.append(row)
        for failure in await asyncio.gather(*map(self._send, ready), return_exceptions=True):
            if failure:
                raise failure
        return len(due)

    async def _send(self, row: dict[str, Any]) -> None:
        try:
            if row["channel"] not in self._channels:
                raise NotNow("no_channel")
            await self._channels[row["channel"]](Message(row["id"], row["recipient"], row["language"], row["subject"], row["body"], row["put_at"]))
        except Never as refused:
            await self._note(row, "given_up", refused.reason)
        except NotNow as later:
            log.warning("a notice does not go out", notice=row["id"], channel=row["channel"], reason=later.reason, tries=row["tries"])
            async with self._db.transaction() as tx:
                await tx.conn.execute("update kit.notice set reason = $2 where id = $1", row["id"], later.reason)
        else:
            failpoints.hit("notify.after_send")
            await self._note(row, "sent", None)

    async def _note(self, row: dict[str, Any], state: str, reason: str | None) -> None:
        async with self._db.transaction() as tx:
            await self._end(tx.conn, row, state, reason)

    async def _end(self, conn: Connection, row: dict[str, Any], state: str, reason: str | None) -> None:
        await conn.execute(_END, row["id"], state, reason)
        metrics.notices.labels(self._db.service, row["channel"], reason or state).inc()
        if reason:
            log.warning("a notice is given up", notice=row["id"], channel=row["channel"], reason=reason, tries=row["tries"])


async def purge(db: Database) -> None:
    """What was kept long enough."""
    async with db.transaction() as tx:
        await tx.conn.execute(
            "update kit.notice set recipient = null, body = null, subject = '' where ended_at < now() - make_interval(days => $1)"
            " and recipient is not null",
            KEPT_DAYS,
        )
        await tx.conn.execute("delete from kit.notice where ended_at < now() - make_interval(days => $1)", REMEMBERED_DAYS)


def sending(settings: SendingSettings) -> Callable[[Database], Awaitable[None]]:
    """A task of a worker: sends for ever by the channels that the settings name."""
    channels: dict[str, Send] = {}
    if settings.mail_host:
        channels["email"] = mail.Mail(settings).send
    if settings.sms_url:
        channels["sms"] = sms.Sms(settings).send

    async def forgetting(db: Database) -> None:
        while True:
            await purge(db)
            await asyncio.sleep(3600)

    async def run(db: Database) -> None:
        notifier = Notifier(db, channels, night=(settings.quiet_from, settings.quiet_until))
        await asyncio.gather(notifier.run(), forgetting(db))

    return run


# Whoever takes one has it until it is due again, a process that dies meanwhile included.
_TAKE = """
update kit.notice n set tries = n.tries + 1, next_try = now() + least($1::interval * (2 ^ least(n.tries, 20)), $2::interval)
where id = any (array(
  select id from kit.notice where state = 'waiting' and next_try <= now() order by next_try limit $3 for update skip locked))
returning n.*
"""
_END = """
update kit.notice set state = $2, reason = $3, next_try = null, ended_at = now(),
  recipient = case when kept then recipient end, body = case when kept then body end, subject = case when kept then subject else '' end
where id = $1 and state = 'waiting'
"""
