"""What the demo's principals sell and what its providers are paid: principals, products, guarantees, tariffs."""

from dataclasses import dataclass
from typing import Any

from stdnum import luhn

SERVICES = ("gardening", "home_help", "childcare", "handyman", "towing", "taxi", "locksmith")
SINCE = "2024-01-01"
STATEMENTS = (  # what principals pay back, and how much in cents, the latest first
    ("Avance d’un taxi de retour", 4_280),
    ("Remplacement d’une serrure, part remboursée", 11_650),
    ("Franchise remboursée après recours", 7_500),
)


@dataclass(frozen=True, slots=True)
class Product:
    """`weight`: how many of the members hold it, compared with the others."""

    code: str
    label: str
    principal: str
    weight: int
    guarantees: tuple[dict[str, Any], ...]

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(service for guarantee in self.guarantees for service in guarantee["services"])


def _guarantee(
    code: str, *services: str, units: int | None = None, counts: str = "interventions", cap: int | None = None, **more: Any
) -> dict[str, Any]:
    return {"code": code, "services": services, "units_per_year": units, "counts": counts, "cap_gross_cents": cap, **more}


def principals() -> list[dict[str, Any]]:
    terms = {"vat_rate": "0.20", "valid_from": SINCE}
    return [
        {"code": "orvane", "label": "Banque Orvane", "siren": siren(410_001), "fee_net_cents": 1200, "markup_rate": "0.05", **terms},
        {"code": "aubrac", "label": "Mutuelle Aubrac", "siren": siren(410_002), "fee_net_cents": 900, "markup_rate": "0.08", **terms}
        | {"at_risk_limit_cents": 15000},
        {"code": "autovelle", "label": "Autovelle", "siren": siren(410_003), "fee_net_cents": 1500, "markup_rate": "0", **terms}
        | {"at_risk_limit_cents": 30000},
    ]


PRODUCTS = (
    Product(
        "orvane_essentiel",
        "Orvane Essentiel",
        "orvane",
        22,
        (
            _guarantee("help_at_home", "home_help", "childcare", units=40, counts="units", cap=60000),
            _guarantee("small_repairs", "handyman", "locksmith", units=3, cap=25000),
        ),
    ),
    Product(
        "orvane_premium",
        "Orvane Premium",
        "orvane",
        14,
        (
            _guarantee("everyday", "home_help", "childcare", "gardening", units=80, counts="units"),
            _guarantee("repairs", "handyman", "locksmith", units=6, cap=50000, cap_gross_cents_per_year=150000),
            _guarantee("mobility", "towing", "taxi", units=4, cap=80000, cap_gross_cents_per_year=240000),
        ),
    ),
    Product(
        "aubrac_serenite",
        "Aubrac Sérénité",
        "aubrac",
        24,
        (
            _guarantee("recovery", "home_help", "childcare", units=60, counts="units", member_rate="0.10"),
            _guarantee("garden", "gardening", units=12, counts="units", member_rate="0.20", waiting_days=30),
        ),
    ),
    Product(
        "aubrac_integrale",
        "Aubrac Intégrale",
        "aubrac",
        12,
        (
            _guarantee("recovery", "home_help", "childcare", "gardening", units=100, counts="units"),
            _guarantee("home", "handyman", "locksmith", units=5, cap=40000),
            _guarantee("transport", "taxi", units=6, cap=12000),
        ),
    ),
    Product("autovelle_route", "Autovelle Route", "autovelle", 20, (_guarantee("breakdown", "towing", "taxi", units=4, cap=60000),)),
    Product(
        "autovelle_totale",
        "Autovelle Totale",
        "autovelle",
        8,
        (_guarantee("breakdown", "towing", "taxi", "locksmith", units=8), _guarantee("family", "childcare", units=10, counts="units", cap=30000)),
    ),
)

# service -> (article, unit, net price, VAT rate); the first line is what robots count in the need's own unit
TARIFF: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "gardening": (("gardening_hour", "hour", "34.50", "0.20"), ("green_waste", "unit", "25.00", "0.20")),
    "home_help": (("home_help_hour", "hour", "26.80", "0.10"),),
    "childcare": (("childcare_hour", "hour", "24.20", "0.10"),),
    "handyman": (("handyman_hour", "hour", "42.00", "0.10"), ("small_parts", "unit", "18.00", "0.20")),
    "towing": (("hook_up", "mission", "118.00", "0.20"), ("distance", "km", "1.45", "0.20")),
    "taxi": (("pick_up", "mission", "12.50", "0.10"), ("distance", "km", "2.07", "0.10")),
    "locksmith": (("opening", "mission", "96.00", "0.10"), ("cylinder", "unit", "54.90", "0.20")),
}


def tariff_lines(service: str) -> list[dict[str, str]]:
    return [dict(zip(("article", "unit", "unit_price_net", "vat_rate"), line, strict=True)) for line in TARIFF[service]]


def siren(serial: int) -> str:
    """Nine digits that check; beginning with 99, which the register has not reached."""
    digits = f"99{serial:06d}"
    return digits + luhn.calc_check_digit(digits)


def siret(serial: int) -> str:
    digits = f"{siren(serial)}0001"
    return digits + luhn.calc_check_digit(digits)
