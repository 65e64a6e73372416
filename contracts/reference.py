"""Events of `reference`: who is entitled to what, and the decision about each need."""

from pydantic import Field

from contracts.common import Actor, Cents, Code, Day, Exact, Id, Instant, Label, Number, Part
from contracts.registry import Event


class PriceTerms(Part):
    """What the principal pays on top of, or instead of, the provider's price. Rates are fractions: 0.05 is 5 %."""

    fee_net_cents: Cents
    markup_rate: Exact
    vat_rate: Exact


class PrincipalChanged(Event, owner="reference", name="principal_changed", topic="principals", key="principal_id"):
    """Full state of a principal and its terms, as of `valid_from`."""

    principal_id: Id
    code: Code
    label: Label
    siren: str = Field(pattern=r"^[0-9]{9}$")
    terms: PriceTerms
    at_risk_limit_cents: Cents
    approval_above_cents: Cents | None = None
    valid_from: Day
    ended_on: Day | None = None


class MemberChanged(Event, owner="reference", name="member_changed", topic="members", key="member_id"):
    """Full state of a member without the person: identity travels only in the member card. Contracts say themselves whose they are."""

    member_id: Id
    principal_id: Id
    provisional: bool = False
    linked_to: Id | None = None
    departement: str | None = Field(default=None, pattern=r"^(2[AB]|[0-9]{2,3})$")
    version: int
    ended_on: Day | None = None


class PersonErased(Event, owner="reference", name="person_erased", topic="members", key="member_id"):
    """Stays for ever and is applied again by every rebuild and restore."""

    member_id: Id
    requested_at: Instant


class MemberLinked(Event, owner="reference", name="member_linked", key="case_id"):
    """Whose case it is, as reference knows it from now on. The case was opened for `opened_for`: a provisional member linked to a real
    one, a duplicate merged, or one of both undone, and then both are the same."""

    case_id: Id
    opened_for: Id
    member_id: Id
    reason: Code  # linked, merged, undone
    linked_by: Actor


class GuaranteeState(Part):
    guarantee: Code
    services: list[Code]
    units_per_year: Exact | None = None
    cap_gross_cents: Cents | None = None
    waiting_days: int = 0
    cap_gross_cents_per_year: Cents | None = None


class ContractChanged(Event, owner="reference", name="contract_changed", topic="contracts", key="contract_id"):
    """Full state of a contract with its guarantees. Business dates are in Europe/Paris."""

    contract_id: Id
    number: Number
    principal_id: Id
    member_id: Id
    beneficiary_ids: list[Id] = Field(default_factory=list, description="whom it covers beside the holder")
    product: Code
    starts_on: Day
    ends_on: Day | None = None
    suspended: bool = False
    guarantees: list[GuaranteeState]
    version: int


class CoverageGranted(Event, owner="reference", name="coverage_granted", key="case_id"):
    """Units are reserved until `expires_at`. Amounts beyond `cap_gross_cents` are the member's (none: no cap). `gross_cents_left`: of the
    year's amount, what is promised here taken off. `goodwill_by`: who granted it as a gesture after a refusal; it takes no units."""

    case_id: Id
    need_id: Id
    decision_id: Id
    contract_id: Id
    guarantee: Code
    units_reserved: Exact
    units_left: Exact | None = None
    cap_gross_cents: Cents | None = None
    member_rate: Exact
    expires_at: Instant
    trace: list[Code]
    gross_cents_left: Cents | None = None
    goodwill_by: Actor | None = None
    goodwill_reason: Code | None = None


class CoverageRefused(Event, owner="reference", name="coverage_refused", key="case_id"):
    """No guarantee covers the need. `renews_on`: when it would again."""

    case_id: Id
    need_id: Id
    decision_id: Id
    reason: Code
    contract_id: Id | None = None
    guarantee: Code | None = None
    renews_on: Day | None = None
    trace: list[Code]


class CoverageReleased(Event, owner="reference", name="coverage_released", key="case_id"):
    """A reservation was given back, in whole or in part."""

    case_id: Id
    need_id: Id
    decision_id: Id
    reason: Code
    units_released: Exact


class CoverageConsumed(Event, owner="reference", name="coverage_consumed", key="case_id"):
    """The reserved units are used up for good."""

    case_id: Id
    need_id: Id
    decision_id: Id
    units_consumed: Exact
    units_left: Exact | None = None


class ApprovalRequested(Event, owner="reference", name="approval_requested", key="case_id"):
    """The principal must agree before coverage is decided."""

    case_id: Id
    need_id: Id
    approval_id: Id
    amount_cents: Cents
    due_at: Instant


class ApprovalGranted(Event, owner="reference", name="approval_granted", key="case_id"):
    """The principal, or a supervisor in its name, agrees."""

    case_id: Id
    need_id: Id
    approval_id: Id
    decided_by: Code  # principal, supervisor


class ApprovalRefused(Event, owner="reference", name="approval_refused", key="case_id"):
    """The principal does not agree, or did not answer in time (`system`); coverage_refused follows."""

    case_id: Id
    need_id: Id
    approval_id: Id
    reason: Code
    decided_by: Code
