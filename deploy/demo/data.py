"""The demo's world, the same for the same seed: who is a member and of what, who works where. Everybody is invented, places are real."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from deploy.demo import geography, words
from deploy.demo.catalogue import PRODUCTS, SERVICES, Product
from deploy.demo.geography import Town

MEMBERS = 20_000
PROVIDERS = 40
HUBS = 20
RADIUS_KM = 150
DOORS = ("kafka", "polling", "extranet", "extranet")
# Ranges that the regulator keeps for works of fiction, by the first two digits of the landline zone.
MOBILE = "063998"
LANDLINES = {"01": "019900", "02": "026191", "03": "035301", "04": "046571", "05": "053649"}
_WEST, _EAST = "14 18 22 27 28 29 35 36 37 41 44 45 49 50 53 56 61 72 76 85", "02 08 10 21 25 39 51 52 54 55 57 58 59 60 62 67 68 70 71 80 88 89 90"
_SOUTH_WEST = "09 12 16 17 19 23 24 31 32 33 40 46 47 64 65 79 81 82 86 87"
_PARIS = "75 77 78 91 92 93 94 95"
_ZONES = {departement: zone for zone, of in (("01", _PARIS), ("02", _WEST), ("03", _EAST), ("05", _SOUTH_WEST)) for departement in of.split()}


@dataclass(frozen=True, slots=True)
class Contract:
    number: str
    product: Product
    starts_on: date
    ends_on: date | None
    state: str


@dataclass(frozen=True, slots=True)
class Member:
    principal: str
    number: str
    civility: str
    last_name: str
    first_name: str
    birth_date: date
    phones: tuple[str, ...]
    email: str
    address: str
    town: Town
    postcode: str
    contracts: tuple[Contract, ...]

    def covered(self, today: date) -> tuple[str, ...]:
        """The services that a contract in force gives right to, waiting periods aside."""
        good = [one for one in self.contracts if one.state == "active" and (one.ends_on is None or one.ends_on >= today)]
        return tuple(service for one in good if one.starts_on < today - timedelta(days=40) for service in one.product.services)


@dataclass(frozen=True, slots=True)
class Provider:
    id: str
    code: str
    label: str
    town: Town
    services: tuple[str, ...]
    door: str
    capacity_per_day: int


@dataclass(frozen=True, slots=True)
class World:
    members: tuple[Member, ...]
    providers: tuple[Provider, ...]
    today: date


def make(seed: int, today: date, members: int = MEMBERS) -> World:
    return World(tuple(_members(Random(f"members {seed}"), today, members)), tuple(_providers(Random(f"providers {seed}"))), today)


def _members(random: Random, today: date, count: int) -> list[Member]:
    homes = geography.homes(random, count)
    products = random.choices(PRODUCTS, weights=[product.weight for product in PRODUCTS], k=count)
    return [_member(random, today, serial, home, product) for serial, (home, product) in enumerate(zip(homes, products, strict=True), 1)]


def _member(random: Random, today: date, serial: int, home: Town, product: Product) -> Member:
    civility, names = random.choice((("mme", words.WOMEN), ("m", words.MEN)))
    first, last = random.choice(names), random.choice(words.NAME_BEGINNINGS) + random.choice(words.NAME_ENDINGS)
    return Member(
        principal=product.principal,
        number=f"{product.principal[:3].upper()}{2_000_000 + serial * 7}",
        civility=civility,
        last_name=last,
        first_name=first,
        birth_date=today - timedelta(days=random.randint(19 * 365, 92 * 365)),
        phones=_phones(random, serial, home),
        email=f"membre{serial}@courriel.example",
        address=f"{random.randint(1, 140)} {random.choice(words.WAYS)} {random.choice(words.WAY_NAMES)}",
        town=home,
        postcode=random.choice(home.postcodes),
        contracts=tuple(_contracts(random, today, serial, product)),
    )


def _phones(random: Random, serial: int, home: Town) -> tuple[str, ...]:
    """A mobile for half of the members, a landline for most others, both for some; now and then one shared by a household."""
    mobile = f"{MOBILE}{serial % 10_000:04d}"
    landline = f"{LANDLINES[_ZONES.get(home.departement, '04')]}{random.randrange(10_000):04d}"
    if serial <= 10_000:
        return (mobile, landline) if random.random() < 0.3 else (mobile,)
    return (landline, mobile) if random.random() < 0.05 else (landline,)


def _contracts(random: Random, today: date, serial: int, product: Product) -> list[Contract]:
    """Mostly one in force; some ended, suspended or too young, some people with an older one as well."""
    chance = random.random()
    started = today - timedelta(days=random.randint(60, 2_500))
    ends_on, state = None, "active"
    if chance < 0.03:
        ends_on = today - timedelta(days=random.randint(1, 40))
    elif chance < 0.05:
        state = "suspended"
    elif chance < 0.07:
        started = today - timedelta(days=random.randint(0, 20))
    prefix = f"{product.code[:2].upper()}-{serial:06d}"
    found = [Contract(f"{prefix}-1", product, started, ends_on, state)]
    if chance > 0.92:
        found.append(Contract(f"{prefix}-0", product, started - timedelta(days=800), started - timedelta(days=1), "active"))
    return found


def _providers(random: Random) -> list[Provider]:
    """Two in each hub, more where more people live; each does most services, so that nearly every need has a choice."""
    hubs = geography.hubs(HUBS)
    seats = [hub for hub in hubs for _ in range(2)]
    seats[-6:] = [hubs[0]] * 3 + [hubs[2]] * 2 + [hubs[9]]  # the last three hubs give theirs to Paris, Lyon and Lille
    firms = random.sample(words.FIRMS, PROVIDERS)
    return [
        Provider(
            id=made_up_id(0x5000 + number),
            code=f"prestataire_{number:02d}",
            label=f"{firm} {random.choice(words.TRADES)}",
            town=seat,
            services=tuple(service for place, service in enumerate(SERVICES) if place != number % len(SERVICES)),
            door=DOORS[number % len(DOORS)],
            capacity_per_day=400,
        )
        for number, (seat, firm) in enumerate(zip(seats, firms, strict=True))
    ]


def made_up_id(number: int) -> str:
    """A UUIDv7 of 1 January 2026, the same for the same number."""
    return f"019b76da-a800-7000-8000-{number:012x}"
