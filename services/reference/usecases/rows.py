"""What a row of each feed file may hold: columns are the fields, lists are separated by `|`, an empty cell means the default."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticUndefined
from stdnum.fr import siren

from contracts.common import Code, Departement, Insee, Label, Number, Postcode
from services.kit import phones, places
from services.reference.domain.names import compact


def _split(cell: object) -> object:
    return [part.strip() for part in cell.split("|") if part.strip()] if isinstance(cell, str) else cell


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Rate = Annotated[Decimal, Field(ge=0, le=1, decimal_places=6)]
CentsCell = Annotated[int, Field(ge=0, le=10**12)]
Codes = Annotated[list[Code], BeforeValidator(_split)]
Phones = Annotated[list[str], BeforeValidator(_split), Field(max_length=5)]
Emails = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=200, to_lower=True)]], BeforeValidator(_split)
]
Departements = Annotated[list[Departement], BeforeValidator(_split)]
Places = Annotated[list[Departement | Insee], BeforeValidator(_split)]


class Row(BaseModel):
    """`KEY`: the fields that make two rows the same thing."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    KEY: ClassVar[tuple[str, ...]]

    @property
    def key(self) -> str:
        return "/".join(str(getattr(self, name)) for name in self.KEY)

    @classmethod
    def key_of(cls, cells: Mapping[str, str]) -> str | None:
        """Of a row that may be wrong elsewhere; none where it does not say whom it names."""
        named = [cells.get(name) or cls.model_fields[name].get_default() for name in cls.KEY]
        return None if any(part in (None, PydanticUndefined) for part in named) else "/".join(map(str, named))


class PrincipalRow(Row):
    """A principal with its terms from `valid_from`. Rates are fractions."""

    KEY = ("code", "valid_from")

    code: Code
    label: Label
    siren: str
    fee_net_cents: CentsCell = 0
    markup_rate: Rate = Decimal(0)
    vat_rate: Rate = Decimal("0.20")
    at_risk_limit_cents: CentsCell = 0
    approval_above_cents: CentsCell | None = None
    valid_from: date
    ended_on: date | None = None

    @model_validator(mode="after")
    def _known_to_the_register(self) -> Self:
        if not siren.is_valid(self.siren):
            raise ValueError("siren: its check digit is wrong")
        return self


class ProductRow(Row):
    KEY = ("code",)

    code: Code
    label: Label
    principal: Code


class GuaranteeRow(Row):
    """`area`: départements, none for everywhere. `excluded`: départements or INSEE codes. Without `units_per_year` no limit.

    `cap_gross_cents`: of one need; `cap_gross_cents_per_year`: of a contract year. `overrun`: who pays what is beyond them, the `member` or,
    if it agrees, the principal (`approval`). `declare_within_days`: after what made it necessary. `min_km_from_home`: from commune to commune.
    `one_at_a_time`: not while another case has the same service at an overlapping time.
    """

    KEY = ("product", "code", "valid_from")

    product: Code
    code: Code
    services: Codes = Field(min_length=1)
    counts: Literal["interventions", "units"] = "interventions"
    units_per_year: Annotated[Decimal, Field(gt=0, decimal_places=2)] | None = None
    cap_gross_cents: CentsCell | None = None
    member_rate: Rate = Decimal(0)
    waiting_days: Annotated[int, Field(ge=0, le=3660)] = 0
    area: Departements = []
    excluded: Places = []
    valid_from: date = date(2000, 1, 1)
    cap_gross_cents_per_year: CentsCell | None = None
    overrun: Literal["member", "approval"] | None = None
    declare_within_days: Annotated[int, Field(ge=0, le=3660)] | None = None
    min_km_from_home: Annotated[int, Field(ge=0, le=1000)] | None = None
    one_at_a_time: bool | None = None


class MemberRow(Row):
    """Phones in any form; they are kept as E.164. `changed_on`: when the principal changed the row, for the rule `newest`."""

    KEY = ("principal", "number")

    principal: Code
    number: Number
    civility: Annotated[str, StringConstraints(max_length=20)] = ""
    last_name: Name
    first_name: Text = ""
    birth_date: date | None = None
    phones: Phones = []
    emails: Emails = []
    address: Annotated[str, StringConstraints(max_length=300)] = ""
    insee: Insee | None = None
    postcode: Postcode | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "fr"
    ended_on: date | None = None
    changed_on: date | None = None

    @property
    def e164(self) -> list[str]:
        """Raises `Invalid`."""
        return list(dict.fromkeys(phones.e164(typed, self.postcode) for typed in self.phones))

    @model_validator(mode="after")
    def _lives_somewhere(self) -> Self:
        if self.insee and self.insee not in places.communes():
            raise ValueError("insee: no commune has this code")
        return self


class ContractRow(Row):
    """Of the product's principal; `member` is the member's number there. `ends_on` is the last day covered. Of a vehicle the plate as it is
    written anywhere, and the VIN (ISO 3779)."""

    KEY = ("product", "number")

    number: Number
    product: Code
    member: Number
    starts_on: date
    ends_on: date | None = None
    state: Literal["active", "suspended"] = "active"
    plate: Annotated[str, BeforeValidator(compact), StringConstraints(pattern=r"^[A-Z0-9]{4,10}$")] | None = None
    vin: Annotated[str, StringConstraints(pattern=r"^[A-HJ-NPR-Z0-9]{17}$", to_upper=True)] | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on: a contract cannot end before it starts")
        return self


class BeneficiaryRow(Row):
    """Somebody whom a contract covers beside its holder: `contract` is its number, `member` the number of a member of the same principal."""

    KEY = ("product", "contract", "member")

    product: Code
    contract: Number
    member: Number
    relation: Literal["spouse", "child", "parent", "driver", "other"] = "other"
    ended_on: date | None = None


class StatementRow(Row):
    """One line of what the principal has paid back, or will. `member` and `contract` are the numbers there; the contract is the member's."""

    KEY = ("principal", "reference")

    principal: Code
    reference: Number
    member: Number
    contract: Number | None = None
    issued_on: date
    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    paid_gross_cents: CentsCell = 0
    pending_gross_cents: CentsCell = 0
    due_on: date | None = None
    paid_on: date | None = None
    withdrawn_on: date | None = None

    @model_validator(mode="after")
    def _about_money(self) -> Self:
        if not self.paid_gross_cents and not self.pending_gross_cents:
            raise ValueError("paid_gross_cents: nothing is paid, and nothing is pending")
        if self.paid_on and not self.paid_gross_cents:
            raise ValueError("paid_on: nothing is paid")
        return self
