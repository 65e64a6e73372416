"""What is erased of a person, and what stays: named in the answer to whoever asked."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.kit.errors import Conflict

PROVIDER_TOPICS = timedelta(days=8)
BACKUPS = timedelta(days=35)
ACCOUNTS_YEARS = 10


class OpenCases(Conflict):
    code, title = "open_cases", "Somebody is being helped: close the open cases first"


@dataclass(frozen=True, slots=True)
class Gone:
    """`where`: the service."""

    code: str
    where: str
    fr: str
    en: str


@dataclass(frozen=True, slots=True)
class Kept:
    """`until`: the last day; none: as long as `fr` and `en` say."""

    code: str
    where: str
    fr: str
    en: str
    until: date | None


GONE = (
    Gone("identity", "reference", "nom, naissance, téléphones, e-mails, adresse, véhicules", "name, birth date, phones, e-mails, address, vehicles"),
    Gone("changes", "reference", "modifications, consentements, codes d’accès, messages", "changes, consents, access codes, messages"),
    Gone("statements", "reference", "copies des relevés de remboursement", "copies of reimbursement statements"),
    Gone("refused_rows", "reference", "lignes de fichiers refusées qui nomment la personne", "refused rows of files that name the person"),
    Gone("case_cards", "intake", "fiches des dossiers, notes, brouillons", "cards of the cases, notes, drafts"),
    Gone("card_copies", "tracking", "copies des fiches, mots de recherche", "copies of cards, search words"),
    Gone("provider_documents", "dispatch", "contact et adresse dans les ordres de mission", "contact and address in mission documents"),
    Gone("account", "gateway", "compte, sessions, tentatives de connexion", "account, sessions, attempts to sign in"),
    Gone("log", "log", "fiches du topic cards, après compactage (24 heures)", "cards of the topic cards, after compaction (24 hours)"),
)


def kept(now: datetime) -> tuple[Kept, ...]:
    """Commercial code, article L123-22: accounting documents are kept ten years from the end of the financial year."""
    today = now.date()
    return (
        Kept(
            "accounting_documents",
            "billing",
            "factures, avoirs et écritures : numéro de dossier, prestation et montants, sans la personne (article L123-22 du code de commerce)",
            "invoices, credit notes and entries: case number, service and amounts, without the person (commercial code, article L123-22)",
            date(today.year + ACCOUNTS_YEARS, 12, 31),
        ),
        Kept(
            "member_number",
            "reference",
            "numéros d’adhérent et de contrat, sans la personne, pour qu’un fichier du donneur d’ordre ne la ramène pas",
            "member and contract numbers, without the person, so that a file of the principal does not bring the person back",
            None,
        ),
        Kept(
            "case_history",
            "log",
            "événements des dossiers : identifiants, services, communes et dates, jamais la personne",
            "events of the cases: ids, services, communes and dates, never the person",
            None,
        ),
        Kept(
            "provider_topics",
            "log",
            "missions déjà envoyées aux prestataires connectés par Kafka",
            "missions already sent to providers connected by Kafka",
            today + PROVIDER_TOPICS,
        ),
        Kept(
            "backups",
            "backups",
            "sauvegardes et journaux de base ; l’effacement est appliqué de nouveau à chaque restauration",
            "backups and write-ahead logs; the erasure is applied again by every restore",
            today + BACKUPS,
        ),
    )
