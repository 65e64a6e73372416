"""Each door in its own words: what it calls a need -> the states that the need may be in; and nothing of anybody else's."""

from collections.abc import Collection, Iterator, Mapping

from tests.checker.fold import FINAL, FURTHEST_FIRST, Case, Need, Offer
from tests.checker.inputs import Doors, Finding, Inputs, Row, Seen

Words = Mapping[str, Collection[str]]
ANY = frozenset(FURTHEST_FIRST)
DESK: Words = {state: {state} for state in FURTHEST_FIRST}
PRINCIPAL: Words = DESK
MEMBER: Words = {**DESK, "closed": FINAL}  # where the ladder stands
# Of the offer that holds the need; of one that does not, only the words of OVER.
EXTRANET: Words = {"offered": {"offered"}, "accepted": {"accepted", "scheduled", "failed"}, "started": {"in_progress"}, "done": {"performed"}}
FEED: Words = {
    "offered": {"offered"},
    "accepted": {"accepted", "scheduled", "failed"},
    "amended": {"accepted", "scheduled", "failed"},
    "reconfirmed": {"accepted", "scheduled", "failed"},
    "started": {"in_progress", "failed"},
    "done": {"performed"},
}  # fmt: skip
OVER = frozenset({"declined", "expired", "withdrawn", "cancelled"})
SILENT = frozenset({"contact"})  # documents that say nothing of how the mission stands


def check(inputs: Inputs, cases: dict[str, Case]) -> Iterator[Finding]:
    doors = inputs.doors
    needs = {need.id: need for case in cases.values() for need in case.needs.values()}
    offers = {offer.id: (need, offer) for need in needs.values() for offer in need.offers.values()}
    for case in cases.values():
        yield from _case("desk", DESK, case, doors.desk.get(case.id))
    for principal, seen in doors.principals.items():
        yield from _own_cases("principal", PRINCIPAL, seen, {case.id: case for case in cases.values() if case.principal == principal}, cases)
        yield from _foreign(seen.lists.get("charges", []) + seen.lists.get("invoices", []), "principal_id", principal)
    for member, seen in doors.members.items():
        yield from _own_cases("member", MEMBER, seen, {case.id: case for case in cases.values() if case.member == member}, cases)
    for provider, seen in doors.providers.items():
        yield from _missions(provider, seen, offers)
        yield from _feed(provider, seen, offers, inputs)
        yield from _foreign(seen.lists.get("bills", []), "provider_id", provider)
    yield from _probes(doors)


def _case(door: str, words: Words, case: Case, shown: Row | None) -> Iterator[Finding]:
    if shown is None:
        yield Finding("stale_view", case.id, f"{door}: case {case.id} is not there")
        return
    if shown["state"] != case.word:
        yield Finding("stale_view", case.id, f"{door}: the case is {shown['state']}, the log makes it {case.word}")
    told = {row["need_id"]: row for row in shown["needs"]}
    for need in case.needs.values():
        row = told.pop(need.id, None)
        if row is None:
            yield Finding("stale_view", case.id, f"{door}: need {need.id} is not there")
            continue
        word = next((step["state"] for step in row.get("ladder", []) if step["status"] == "now"), row["state"]) if door == "member" else row["state"]
        if need.state not in words.get(word, ()) or row["state"] != need.state:
            yield Finding("stale_view", case.id, f"{door}: need {need.id} is {word}, the log makes it {need.state}")
        if need.state not in FINAL and not row["waiting_for"]:
            yield Finding("stale_view", case.id, f"{door}: need {need.id} is {need.state} and waits for nobody")
    for stray in told:
        yield Finding("foreign_row", case.id, f"{door}: need {stray} is none of this case")


def _own_cases(door: str, words: Words, seen: Seen, own: dict[str, Case], cases: dict[str, Case]) -> Iterator[Finding]:
    listed = {row["case_id"]: row for row in seen.lists.get("cases", [])}
    for one in {*listed, *seen.cases} - own.keys():
        yield Finding("foreign_row", one, f"{door}: case {one} is {'another' if one in cases else 'nobody'}'s")
    for case in own.values():
        yield from _case(door, words, case, seen.cases.get(case.id))
        row = listed.get(case.id)
        if row is None:
            yield Finding("stale_view", case.id, f"{door}: case {case.id} is not listed")
            continue
        states = {need["rank"]: need["state"] for need in row["needs"] or []}
        if row["state"] != case.word or states != {need.rank: need.state for need in case.needs.values()}:
            yield Finding("stale_view", case.id, f"{door}: case {case.id} is listed as {row['state']} {states}, the log makes it {case.word}")


def _missions(provider: str, seen: Seen, offers: dict[str, tuple[Need, Offer]]) -> Iterator[Finding]:
    """Lists hold what is offered and what was accepted."""
    told: dict[str, str] = {}
    for row in seen.lists.get("missions", []) + seen.lists.get("offers", []):
        told[row["offer_id"]] = row["status"]
        yield from _offer("extranet", EXTRANET, provider, row["offer_id"], row["status"], offers)
    for one, (need, offer) in offers.items():
        if offer.mission[1] == provider and offer.status in ("live", "accepted", "taken_back") and one not in told:
            yield Finding("stale_view", need.case, f"extranet: offer {one} of {provider} is not listed, the log makes it {offer.status}")


def _feed(provider: str, seen: Seen, offers: dict[str, tuple[Need, Offer]], inputs: Inputs) -> Iterator[Finding]:
    items = seen.lists.get("feed", [])
    positions = [item["position"] for item in items]
    if positions != list(range(positions[0], positions[0] + len(items)) if positions else []):
        yield Finding("swapped_pair", provider, f"feed: the positions of {provider} are not in turn")
    last: dict[str, str] = {}
    for item in items:
        if item["kind"] not in SILENT:
            last[item["offer_id"]] = item["kind"]
    for one, word in last.items():
        yield from _offer("feed", FEED, provider, one, word, offers)
    for one, (need, offer) in offers.items():
        if offer.mission[1] == provider and one not in last:
            yield Finding("lost_row", need.case, f"feed: {provider} was never told of offer {one}")
    sent = inputs.log.deliveries.get(provider, {})
    for item in items if sent else []:
        record = sent.get(item["position"])
        if record is None or (record.body["offer_id"], record.body["kind"]) != (item["offer_id"], item["kind"]):
            yield Finding("lost_row", provider, f"feed: position {item['position']} is not what the topic of {provider} holds there")


def _offer(door: str, words: Words, provider: str, offer_id: str, word: str, offers: dict[str, tuple[Need, Offer]]) -> Iterator[Finding]:
    need, offer = offers.get(offer_id, (None, None))
    if need is None or offer is None or offer.mission[1] != provider:
        yield Finding("foreign_row", need.case if need else offer_id, f"{door}: {provider} is shown offer {offer_id}, which was not made to it")
        return
    holds = need.held_offer is offer and need.state not in ("cancelled", "refused")
    expected = words.get(word, ()) if holds or offer.status == "live" else ANY if word in OVER else ()
    if need.state not in expected:
        yield Finding("stale_view", need.case, f"{door}: offer {offer_id} is {word}, the log makes it {offer.status} of a need {need.state}")


def _foreign(rows: list[Row], field: str, owner: str) -> Iterator[Finding]:
    for row in rows:
        if row[field] != owner:
            yield Finding("foreign_row", row.get("case_id") or row["id"], f"{owner} is shown {row['id']} of {row[field]}")


def _probes(doors: Doors) -> Iterator[Finding]:
    for probe in doors.probes:
        if probe.status != 404:
            yield Finding("foreign_row", probe.id, f"{probe.door} {probe.asker} asked for another's {probe.what} {probe.id}: {probe.status}, not 404")
