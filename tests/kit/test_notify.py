"""Mail and SMS go out once their transaction has committed, at least once, and are given up with a reason."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.kit import notify
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.mail import Mail
from services.kit.notify import Notice, Notifier, Text
from services.kit.settings import SendingSettings
from services.kit.sms import Sms
from tests.conftest import eventually
from tests.kit.harness import Lab, running
from tests.kit.processes import Process
from tests.postbox import Operator, Postbox

FROM = "Entraide <nous@entraide.example>"
BY_DAY = (3, 3)  # a night without hours
TEXTS = {"fr": Text("Bonjour,\nvotre visite est déplacée.", "Votre visite"), "en": Text("Hello,\nyour visit has moved.", "Your visit")}


@pytest.fixture
async def postbox() -> AsyncIterator[Postbox]:
    async with Postbox.open() as box:
        yield box


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    async with Operator.open() as made:
        yield made


def notice(**more: Any) -> Notice:
    return Notice(**{"key": new_id(), "channel": "email", "to": "odile@courriel.example", "language": "fr", "texts": TEXTS} | more)


def notifier(lab: Lab, postbox: Postbox | None = None, operator: Operator | None = None, **more: Any) -> Notifier:
    channels: dict[str, notify.Send] = {}
    if postbox:
        mail = SendingSettings.model_construct(
            mail_host="127.0.0.1", mail_port=postbox.port, mail_tls="none", mail_from="Entraide <nous@entraide.example>"
        )
        channels["email"] = Mail(mail).send
    if operator:
        sms = SendingSettings.model_construct(sms_url=operator.url, sms_token=SecretStr("the-token"), sms_from="Entraide")
        channels["sms"] = Sms(sms).send
    return Notifier(lab.sender.db, channels, **{"night": BY_DAY, "first_wait": timedelta(0)} | more)


async def put(lab: Lab, *notices: Notice) -> None:
    async with lab.sender.db.transaction() as tx:
        await notify.put(tx, *notices)


async def stored(lab: Lab, one: Notice) -> dict[str, Any]:
    async with lab.sender.db.connection() as conn:
        row = await conn.fetchrow("select * from kit.notice where key = $1", one.key)
    assert row is not None
    return dict(row)


async def all_out(lab: Lab, notifier: Notifier) -> None:
    while await notifier.step():
        pass


async def test_a_mail_goes_out_in_the_recipient_s_language_once_its_transaction_has_committed(lab: Lab, postbox: Postbox) -> None:
    undone, french, english, other = notice(), notice(), notice(language="en"), notice(language="de")
    with pytest.raises(ZeroDivisionError):
        async with lab.sender.db.transaction() as tx:
            await notify.put(tx, undone)
            1 / 0  # noqa: B018 - whatever goes wrong
    await put(lab, french, english, other)
    await all_out(lab, notifier(lab, postbox))
    assert sorted((mail["Subject"], mail["Content-Language"]) for mail in postbox.mails) == [
        ("Votre visite", "fr"),
        ("Votre visite", "fr"),
        ("Your visit", "en"),
    ]
    mail = next(mail for mail in postbox.mails if mail["Content-Language"] == "en")
    assert mail.get_content().splitlines() == ["Hello,", "your visit has moved."]
    assert mail["Message-ID"] == f"<{(await stored(lab, english))['id']}@entraide.example>"
    assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == ("odile@courriel.example", "Entraide <nous@entraide.example>", "auto-generated")


async def test_one_key_is_one_notice(lab: Lab, postbox: Postbox) -> None:
    once = notice()
    await put(lab, once, once)
    await put(lab, once)
    await all_out(lab, notifier(lab, postbox))
    await put(lab, once)
    await all_out(lab, notifier(lab, postbox))
    assert len(postbox.mails) == 1


async def test_many_workers_send_each_notice_once(lab: Lab, postbox: Postbox) -> None:
    notices = [notice(to=f"n{number}@courriel.example") for number in range(60)]
    await put(lab, *notices)
    async with running(*(notifier(lab, postbox, first_wait=timedelta(minutes=1)).run() for _ in range(3))):
        await eventually(lambda: len(postbox.mails) >= len(notices))
    assert sorted(mail["To"] for mail in postbox.mails) == sorted(one.to for one in notices)


async def test_what_cannot_go_out_now_waits_twice_as_long_each_time_and_goes_out_later(lab: Lab, postbox: Postbox) -> None:
    one = notice()
    await put(lab, one)
    postbox.to_rcpt = ["451 greylisted"]
    postbox.to_data = ["452 full"]
    waits = []
    for _ in range(2):
        await notifier(lab, postbox, first_wait=timedelta(minutes=1)).step()
        row = await stored(lab, one)
        waits.append(row["next_try"] - await lab.sender.value("select now()"))
        assert (row["state"], row["reason"]) == ("waiting", "unreachable")
        await _make_due(lab, one)
    assert timedelta(seconds=50) < waits[0] <= timedelta(minutes=1) < timedelta(seconds=110) < waits[1] <= timedelta(minutes=2)
    await notifier(lab, postbox).step()
    row = await stored(lab, one)
    assert (row["state"], row["reason"], row["tries"], len(postbox.mails)) == ("sent", None, 3, 1)


async def test_the_wait_has_an_end_and_so_has_the_patience(lab: Lab, postbox: Postbox) -> None:
    one = notice()
    await put(lab, one)
    postbox.to_rcpt = ["451 no"]
    await _set(lab, one, "tries = 40")
    await notifier(lab, postbox, first_wait=timedelta(minutes=1)).step()
    row = await stored(lab, one)
    assert row["next_try"] - row["put_at"] < notify.LONGEST_WAIT + timedelta(minutes=1)
    await _set(lab, one, "until = now(), next_try = now()")
    await notifier(lab, postbox).step()
    assert [(await stored(lab, one))[name] for name in ("state", "reason")] == ["given_up", "unreachable"]
    late = notice(until=datetime.now(UTC) - timedelta(seconds=1))
    await put(lab, late)
    await notifier(lab, postbox).step()
    assert [(await stored(lab, late))[name] for name in ("state", "reason")] == ["given_up", "too_late"]
    assert postbox.mails == []


@pytest.mark.parametrize(("rcpt", "data"), [("550 no such mailbox", None), (None, "554 spam")])
async def test_who_is_refused_is_given_up_at_once(lab: Lab, postbox: Postbox, rcpt: str | None, data: str | None) -> None:
    one = notice()
    await put(lab, one)
    postbox.to_rcpt, postbox.to_data = [rcpt], [data]
    await all_out(lab, notifier(lab, postbox))
    row = await stored(lab, one)
    assert (row["state"], row["reason"], row["tries"]) == ("given_up", "refused", 1)


async def test_an_address_that_is_none_cannot_add_headers(lab: Lab, postbox: Postbox) -> None:
    one = notice(to="odile@courriel.example\r\nBcc: tout-le-monde@courriel.example")
    await put(lab, one)
    await all_out(lab, notifier(lab, postbox))
    assert ((await stored(lab, one))["reason"], postbox.mails) == ("bad_address", [])


async def test_a_channel_that_is_not_set_up_is_waited_for_and_a_dead_server_too(lab: Lab, postbox: Postbox) -> None:
    sms, mail = notice(channel="sms", to="+33639980001"), notice()
    await put(lab, sms, mail)
    dead = Postbox()
    dead.port = 1
    await notifier(lab, dead, first_wait=timedelta(minutes=1)).step()
    assert [(await stored(lab, one))["reason"] for one in (sms, mail)] == ["no_channel", "unreachable"]
    assert [(await stored(lab, one))["state"] for one in (sms, mail)] == ["waiting"] * 2


async def test_an_sms_goes_to_the_operator_with_a_key_that_stays_the_same(lab: Lab, operator: Operator) -> None:
    one = notice(channel="sms", to="+33639980001", texts={"fr": Text("Code 123456")})
    await put(lab, one)
    operator.statuses = [503, 429, 200]
    for _ in range(3):
        await notifier(lab, operator=operator).step()
    assert (await stored(lab, one))["state"] == "sent"
    assert {headers["idempotency-key"] for headers, _ in operator.taken} == {(await stored(lab, one))["id"]}
    headers, body = operator.taken[-1]
    assert (headers["authorization"], body["to"], body["text"], body["from"]) == ("Bearer the-token", "+33639980001", "Code 123456", "Entraide")
    wrong = notice(channel="sms", to="+33")
    await put(lab, wrong)
    operator.statuses = [422]
    await all_out(lab, notifier(lab, operator=operator))
    assert [(await stored(lab, wrong))[name] for name in ("state", "reason")] == ["given_up", "refused"]


async def test_at_night_only_what_is_urgent_goes_out_and_the_rest_in_the_morning(lab: Lab, postbox: Postbox) -> None:
    calm, urgent = notice(), notice(urgent=True, to="urgent@courriel.example")
    await put(lab, calm, urgent)
    now = await lab.sender.value("select now()")
    hour = now.astimezone(notify.ZoneInfo("Europe/Paris")).hour
    night = (hour, (hour + 3) % 24)
    await all_out(lab, notifier(lab, postbox, night=night))
    assert [mail["To"] for mail in postbox.mails] == ["urgent@courriel.example"]
    row = await stored(lab, calm)
    assert (row["state"], row["tries"]) == ("waiting", 0)
    assert timedelta(hours=1) < row["next_try"] - now <= timedelta(hours=3)
    assert row["next_try"].astimezone(notify.ZoneInfo("Europe/Paris")).strftime("%H:%M") == f"{night[1]:02}:00"


@pytest.mark.parametrize(
    ("now", "zone", "morning"),
    [
        ("2026-11-24T19:59:00Z", "Europe/Paris", None),
        ("2026-11-24T20:00:00Z", "Europe/Paris", "2026-11-25T07:00:00Z"),
        ("2026-11-24T23:30:00Z", "Europe/Paris", "2026-11-25T07:00:00Z"),
        ("2026-11-25T06:59:00Z", "Europe/Paris", "2026-11-25T07:00:00Z"),
        ("2026-11-25T07:00:00Z", "Europe/Paris", None),
        ("2026-11-24T18:00:00Z", "Indian/Reunion", "2026-11-25T04:00:00Z"),
        ("2026-10-24T22:00:00Z", "Europe/Paris", "2026-10-25T07:00:00Z"),  # the night is an hour longer
    ],
)
def test_the_night_is_that_of_the_recipient(now: str, zone: str, morning: str | None) -> None:
    found = notify.quiet_until(datetime.fromisoformat(now), zone, 21, 8)
    assert (found and found.astimezone(UTC)) == (datetime.fromisoformat(morning) if morning else None)


async def test_a_code_is_forgotten_once_it_is_out_and_everything_after_its_days(lab: Lab, postbox: Postbox) -> None:
    code, kept = notice(kept=False), notice()
    await put(lab, code, kept)
    await all_out(lab, notifier(lab, postbox))
    row = await stored(lab, code)
    assert (row["state"], row["recipient"], row["subject"], row["body"]) == ("sent", None, "", None)
    assert (await stored(lab, kept))["body"] == TEXTS["fr"].body
    await notify.purge(lab.sender.db)
    assert (await stored(lab, kept))["recipient"] == kept.to
    await _set(lab, kept, "ended_at = now() - interval '31 days'")
    await notify.purge(lab.sender.db)
    row = await stored(lab, kept)
    assert (row["recipient"], row["subject"], row["body"]) == (None, "", None)
    await _set(lab, kept, "ended_at = now() - interval '91 days'")
    await notify.purge(lab.sender.db)
    assert await lab.sender.value("select count(*) from kit.notice where key = $1", kept.key) == 0


async def test_whoever_is_erased_gets_nothing_more_and_leaves_nothing(lab: Lab, postbox: Postbox) -> None:
    out, waiting, other = notice(), notice(), notice(to="autre@courriel.example")
    await put(lab, out)
    await all_out(lab, notifier(lab, postbox))
    await put(lab, waiting, other)
    async with lab.sender.db.transaction() as tx:
        await notify.forget(tx.conn, ["odile@courriel.example", "+33639980001"])
    await all_out(lab, notifier(lab, postbox))
    assert [mail["To"] for mail in postbox.mails] == ["odile@courriel.example", "autre@courriel.example"]
    assert [(await stored(lab, one))[name] for one in (out, waiting) for name in ("state", "reason", "body")] == [
        *("sent", None, None),
        *("given_up", "erased", None),
    ]


async def test_who_calls_from_outside_puts_notices_and_reads_none(lab: Lab, postbox: Postbox) -> None:
    one = notice()
    async with lab.sender.db.transaction(Tenant()) as tx:
        await notify.put(tx, one, one)
        assert await tx.conn.fetchval("select count(*) from kit.notice") == 0
        assert await tx.conn.execute("update kit.notice set body = ''") == "UPDATE 0"
    async with lab.sender.db.transaction(Tenant()) as tx:
        await notify.put(tx, one)
    await all_out(lab, notifier(lab, postbox))
    assert ((await stored(lab, one))["state"], len(postbox.mails)) == ("sent", 1)


async def test_killed_between_sending_and_noting_it_goes_out_again_under_the_same_message_id(
    lab: Lab, postbox: Postbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = notice()
    await put(lab, one)
    monkeypatch.setattr(lab.sender, "environment", lab.sender.environment | postbox.environment | {"ENTRAIDE_MAIL_FROM": FROM})
    killed = await Process.start(lab.sender, "notify", tmp_path, "notify.after_send")
    await eventually(killed.reached, seconds=30)
    await eventually(killed.stopped)
    assert await killed.kill9() == -9
    assert ((await stored(lab, one))["state"], len(postbox.mails)) == ("waiting", 1)
    async with running(notifier(lab, postbox).run()):
        await eventually(lambda: len(postbox.mails) == 2)

        async def noted() -> bool:
            return bool((await stored(lab, one))["state"] == "sent")

        await eventually(noted)
    assert len({mail["Message-ID"] for mail in postbox.mails}) == 1
    assert len({mail.as_string() for mail in postbox.mails}) == 1


async def test_no_line_of_the_log_names_a_recipient_or_says_what_was_written(lab: Lab, postbox: Postbox, capsys: pytest.CaptureFixture[str]) -> None:
    await put(lab, *(notice() for _ in range(4)))
    postbox.to_rcpt = ["451 odile@courriel.example later", "550 odile@courriel.example never"]
    await asyncio.gather(*(all_out(lab, notifier(lab, postbox)) for _ in range(2)))
    said = capsys.readouterr().out
    assert "a notice does not go out" in said and "a notice is given up" in said
    assert "odile" not in said and "visite" not in said


async def _make_due(lab: Lab, one: Notice) -> None:
    await _set(lab, one, "next_try = now()")


async def _set(lab: Lab, one: Notice, what: str) -> None:
    async with lab.sender.db.connection() as conn:
        await conn.execute(f"update kit.notice set {what} where key = $1", one.key)
