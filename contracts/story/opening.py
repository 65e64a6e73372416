"""What is known before the call, the call, and the decision about each need."""

from decimal import Decimal
from typing import Any

from contracts import billing as b
from contracts import cards
from contracts import dispatch as d
from contracts import intake as i
from contracts import reference as r
from contracts.common import CardKind
from contracts.gateway import UserChanged
from contracts.story.cast import (
    AGENT,
    CAR,
    CAR_APPROVAL,
    CAR_COVER,
    CASE,
    CONTRACT,
    ISERE,
    MEMBER,
    NOTE,
    NUMBER,
    PRINCIPAL,
    TARIFF,
    TAXI,
    TAXI_APPROVAL,
    TAXI_COVER,
    TOW,
    TOW_COVER,
    Told,
    agent,
    at,
    car,
    card_ref,
    entitled,
    grenoble,
    meylan,
    one,
    taxi,
    tow,
    who,
    window,
)


def known_before() -> Told:
    terms = r.PriceTerms(fee_net_cents=900, markup_rate=Decimal("0.05"), vat_rate=Decimal("0.20"))
    roadside = r.GuaranteeState(
        guarantee="roadside", services=["towing", "taxi"], units_per_year=Decimal("3"), cap_gross_cents=30_000, waiting_days=7
    )
    mobility = r.GuaranteeState(guarantee="mobility", services=["hire_car"], units_per_year=Decimal("1"))
    lines = [
        b.TariffLine(article="hook_up", unit="unit", unit_price_net=Decimal("95.00"), vat_rate=Decimal("0.20")),
        b.TariffLine(article="distance", unit="km", unit_price_net=Decimal("1.80"), vat_rate=Decimal("0.20")),
    ]
    area = d.ServiceArea(service="towing", radius_km=40, departements=["38"])
    return [
        (
            -9,
            r.PrincipalChanged(
                principal_id=PRINCIPAL,
                code="banque_orvane",
                label="Banque Orvane",
                siren="732829320",
                terms=terms,
                at_risk_limit_cents=25_000,
                approval_above_cents=20_000,
                valid_from="2026-01-01",
            ),
        ),
        (
            -8,
            r.ContractChanged(
                contract_id=CONTRACT,
                number="ORV-2024-000017",
                product="car_plus",
                starts_on="2024-05-01",
                ends_on="2027-04-30",
                guarantees=[roadside, mobility],
                version=3,
                **who,
            ),
        ),
        (-7, r.MemberChanged(departement="38", version=2, **who)),
        (
            -6,
            b.TariffChanged(
                tariff_id=TARIFF,
                provider_id=ISERE,
                service="towing",
                valid_from="2026-01-01",
                valid_until="2026-12-31",
                lines=lines,
                version=1,
            ),
        ),
        (
            -5,
            d.ProviderChanged(
                provider_id=ISERE,
                code="isere_depannage",
                label="Isère Dépannage",
                siret="73282932000074",
                place=meylan,
                areas=[area],
                door="extranet",
                capacity_per_day=12,
                version=4,
            ),
        ),
        (-4, cards.UserCard(id=AGENT, version=1, name="Noé Lambert", email="noe.lambert@example.org")),
        (-4, UserChanged(user_id=AGENT, roles=["agent"], principal_ids=[PRINCIPAL], active=True, version=1)),
    ]


def opened() -> Told:
    camille = cards.Contact(name="Camille Martin", phone="+33639980001")
    wishes = {TOW: "Tombée en panne, moteur fumant.", TAXI: "Un taxi pour rentrer.", CAR: "Une voiture pour demain."}
    return [
        (
            0,
            cards.CaseCard(
                id=CASE,
                version=1,
                member_id=MEMBER,
                beneficiary=camille,
                address="12 rue des Tilleuls, 38000 Grenoble",
                access="Parking derrière la halle",
                plate="AB-123-CD",
                wishes=wishes,
            ),
        ),
        (
            0,
            i.CaseOpened(case_id=CASE, number=NUMBER, channel="phone", opened_by=agent, card=card_ref(CardKind.CASE, CASE), **entitled),
        ),
        (
            0,
            i.NeedAdded(rank=1, service="towing", place=grenoble, wanted=window(0, 120), urgency="immediate", **one, **tow, **entitled),
        ),
        (
            0,
            i.NeedAdded(rank=2, service="taxi", place=grenoble, wanted=window(30, 90), urgency="today", **one, **taxi, **entitled),
        ),
        (
            0,
            i.NeedAdded(
                rank=3,
                service="hire_car",
                place=grenoble,
                wanted=window(1440, 4320),
                quantity=Decimal("2"),
                unit="day",
                **car,
                **entitled,
            ),
        ),
        (1, cards.NoteCard(id=NOTE, version=1, case_id=CASE, text="Camille attend à l’abri, rappeler avant d’arriver.")),
        (1, i.NoteAdded(case_id=CASE, need_id=TOW, card=card_ref(CardKind.NOTE, NOTE), added_by=agent)),
        (
            1,
            cards.MemberCard(
                id=MEMBER,
                version=1,
                member_number="ORV-778812",
                civility="Mme",
                last_name="Martin",
                first_name="Camille",
                birth_date="1988-07-14",
                phones=["+33639980001"],
                emails=["camille.martin@example.org"],
                address="12 rue des Tilleuls, 38000 Grenoble",
            ),
        ),
    ]


def covered() -> Told:
    granted: dict[str, Any] = {
        "contract_id": CONTRACT,
        "guarantee": "roadside",
        "units_reserved": "1",
        "member_rate": "0",
        "expires_at": at(2880),
    }
    return [
        (1, r.ApprovalRequested(approval_id=TAXI_APPROVAL, amount_cents=9_000, due_at=at(60), **taxi)),
        (1, r.ApprovalRequested(approval_id=CAR_APPROVAL, amount_cents=24_000, due_at=at(60), **car)),
        (2, i.NeedAtRisk(limit_cents=25_000, reason="no_decision_in_time", decided_by=agent, decided_at=at(2), **tow)),
        (
            3,
            r.CoverageGranted(
                decision_id=TOW_COVER,
                units_left=Decimal("2"),
                cap_gross_cents=30_000,
                trace=["contract_active", "service_covered", "units_left"],
                **granted,
                **tow,
            ),
        ),
        (3, r.ApprovalGranted(approval_id=TAXI_APPROVAL, decided_by="principal", **taxi)),
        (
            3,
            r.CoverageGranted(decision_id=TAXI_COVER, units_left=Decimal("1"), trace=["approval_given", "units_left"], **granted, **taxi),
        ),
        (20, r.ApprovalRefused(approval_id=CAR_APPROVAL, reason="too_expensive", decided_by="principal", **car)),
        (
            20,
            r.CoverageRefused(
                decision_id=CAR_COVER,
                reason="approval_refused",
                contract_id=CONTRACT,
                guarantee="mobility",
                renews_on="2026-05-01",
                trace=["service_covered", "approval_needed", "approval_refused"],
                **car,
            ),
        ),
    ]
