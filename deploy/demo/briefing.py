"""What the robots and the checker are told, as files in the platform's folder, readable by its owner only."""

import csv
import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from deploy.demo.data import Member
from deploy.demo.robots.config import Caller, Config, Credentials, Firm
from deploy.demo.seed import Seeded
from deploy.platform import Platform, connections
from services.gateway.domain import NewClient

BATCH_SHARE = 0.12
IN_FLIGHT = 90  # cases under way at once, at most

# The demo plays in a minute what takes hours: every patience is shortened.
OFFER_TTL_S = 8
SETTINGS = {
    "ENTRAIDE_OFFER_TTL_S": str(OFFER_TTL_S),
    "ENTRAIDE_WATCHDOG_GRACE_S": "8",
    "ENTRAIDE_CLOSE_AFTER_S": "3",
}


@dataclass(frozen=True, slots=True)
class Briefing:
    robots: Path
    checker: Path
    diary: Path
    batch: int  # cases that come by file


@dataclass(frozen=True, slots=True)
class Script:
    """How the robots are to play."""

    cases: int
    seed: int = 1
    cases_per_s: float = 0  # opened at most; 0: as fast as there is room
    patience_s: float = 6  # a command without an answer is sent again for so long


def write(platform: Platform, seeded: Seeded, script: Script) -> Briefing:
    folder = platform.stack.folder / "demo"
    config = _robots(platform, seeded, script, folder)
    batch = _batch(config, round(script.cases * BATCH_SHARE), Random(f"batch {script.seed}"))
    found = Briefing(folder / "robots.json", folder / "checker.json", config.diary, batch)
    _secret(found.robots, asdict(config))
    _secret(found.checker, _checker(platform, config, script.cases))
    return found


def _robots(platform: Platform, seeded: Seeded, script: Script, folder: Path) -> Config:
    machines = seeded.machines
    return Config(
        gateway_url=platform.url,
        kafka_bootstrap=platform.stack.broker.bootstrap,
        diary=folder / "diary.jsonl",
        batch_file=folder / "requests.csv",
        **asdict(script),
        in_flight=IN_FLIGHT,
        offer_ttl_s=OFFER_TTL_S,
        desk=tuple(map(_credentials, machines.desk)),
        finance=_credentials(machines.finance),
        principals={code: _credentials(machines.principals[code]) for code in seeded.principals},
        firms=tuple(
            Firm(one.id, one.label, one.door, _credentials(machines.providers[one.id]), seeded.topics.get(one.id)) for one in seeded.world.providers
        ),
        callers=tuple(_caller(one, seeded) for one in seeded.callers),
    )


def _caller(member: Member, seeded: Seeded) -> Caller:
    return Caller(
        number=member.number,
        principal=member.principal,
        name=f"{member.first_name} {member.last_name}",
        birth_date=member.birth_date,
        phone=member.phones[0],
        address=f"{member.address}, {member.postcode} {member.town.name}",
        insee=member.town.insee,
        postcode=member.postcode,
        covered=tuple(dict.fromkeys(member.covered(date.today()))),
        portal=_credentials(seeded.machines.members[member.number]) if member.number in seeded.portals else None,
    )


def _credentials(client: NewClient) -> Credentials:
    tenant = client.provider_id or client.member_id or next(iter(client.principal_ids), None)
    return Credentials(client.client_id, client.secret, tenant)


def _batch(config: Config, count: int, random: Random) -> int:
    """A principal's file: the first callers who have no portal and something covered."""
    people = [caller for caller in config.callers if not caller.portal][:count]
    with config.batch_file.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("member", "service", "quantity"))
        writer.writerows((caller.number, random.choice(caller.covered or ("taxi",)), "1") for caller in people)
    return len(people)


def _checker(platform: Platform, config: Config, cases: int) -> dict[str, Any]:
    doors = {"desk": config.desk[0], "finance": config.finance}
    return {
        **connections(platform.stack),
        "diary": str(config.diary),
        "gateway_url": platform.url,
        "cases": cases,
        "credentials": {
            **{door: asdict(one) for door, one in doors.items()},
            "principals": [{"code": code, **asdict(one)} for code, one in config.principals.items()],
            "providers": [{"door": firm.door, "kafka_password": firm.kafka_password, **asdict(firm.credentials)} for firm in config.firms],
            "members": [asdict(caller.portal) for caller in config.callers if caller.portal],
        },
    }


def _secret(path: Path, content: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, default=str, ensure_ascii=False), encoding="utf-8")
