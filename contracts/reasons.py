"""Reason codes and services: what a machine reads, and what a person reads.

A code is never renamed and never reused; lists may grow; a code unknown to a reader is shown as itself. A code that stands in
several families means the same in each. Texts are fragments in lower case, fit to follow a colon or to stand alone when
capitalised. Standard library only: a domain may import this.
"""

from typing import Literal

Texts = tuple[str, str]  # French, English
Family = dict[str, Texts]

COVERAGE_REFUSED: Family = {
    "not_a_member": ("personne inconnue des bénéficiaires", "not a member"),
    "provisional_member": ("bénéficiaire provisoire, droits à vérifier", "provisional member, rights to be checked"),
    "member_ended": ("bénéficiaire sorti du contrat", "member has left"),
    "principal_suspended": ("donneur d’ordre suspendu", "principal suspended"),
    "no_contract": ("aucun contrat", "no contract"),
    "contract_not_started": ("contrat pas encore en vigueur", "contract not yet in force"),
    "contract_ended": ("contrat terminé", "contract ended"),
    "contract_suspended": ("contrat suspendu", "contract suspended"),
    "waiting_period": ("délai de carence", "waiting period"),
    "service_not_covered": ("prestation non garantie", "service not covered"),
    "units_exhausted": ("droits épuisés", "no units left"),
    "amount_exhausted": ("plafond atteint", "cap reached"),
    "outside_area": ("lieu hors du territoire garanti", "place outside the covered area"),
    "excluded_place": ("lieu exclu par le contrat", "place excluded by the contract"),
    "too_close_to_home": ("trop près du domicile (franchise kilométrique)", "too close to home (distance excess)"),
    "vehicle_not_covered": ("véhicule non garanti", "vehicle not covered"),
    "beneficiary_not_covered": ("personne non garantie par le contrat", "person not covered by the contract"),
    "cause_excluded": ("cause exclue par le contrat", "cause excluded by the contract"),
    "already_covered": ("déjà prise en charge dans un autre dossier", "already covered in another case"),
    "declared_too_late": ("demande hors délai", "declared too late"),
    "approval_refused": ("accord refusé par le donneur d’ordre", "approval refused by the principal"),
    "approval_expired": ("accord non reçu à temps", "approval not received in time"),
}

COVERAGE_TRACE: Family = {  # the rules tried, in order; a rule that fails shows its code of COVERAGE_REFUSED
    "principal_active": ("donneur d’ordre actif", "principal active"),
    "member_active": ("bénéficiaire actif", "member active"),
    "contract_active": ("contrat en vigueur", "contract in force"),
    "waiting_over": ("carence passée", "waiting period over"),
    "service_covered": ("prestation garantie", "service covered"),
    "place_covered": ("lieu garanti", "place covered"),
    "vehicle_covered": ("véhicule garanti", "vehicle covered"),
    "beneficiary_covered": ("personne garantie", "person covered"),
    "units_left": ("droits restants suffisants", "enough units left"),
    "units_unlimited": ("droits illimités", "unlimited units"),
    "amount_left": ("plafond non atteint", "cap not reached"),
    "approval_not_needed": ("accord non nécessaire", "approval not needed"),
    "approval_needed": ("accord nécessaire", "approval needed"),
    "approval_given": ("accord donné", "approval given"),
    "declared_in_time": ("demande faite à temps", "declared in time"),
    "far_enough": ("assez loin du domicile", "far enough from home"),
    "not_covered_elsewhere": ("pas déjà prise en charge ailleurs", "not covered in another case"),
    "goodwill": ("accordée par geste", "granted as a gesture"),
}

MEMBER_LINKED: Family = {
    "linked": ("bénéficiaire provisoire reconnu", "provisional member recognised"),
    "merged": ("doublon fusionné", "duplicate merged"),
    "undone": ("rattachement annulé", "link undone"),
}

COVERAGE_RELEASED: Family = {
    "need_cancelled": ("demande annulée", "need cancelled"),
    "need_unfilled": ("aucun prestataire trouvé", "no provider found"),
    "need_amended": ("demande modifiée", "need amended"),
    "reservation_expired": ("réservation expirée", "reservation expired"),
    "refused_later": ("refusée après coup", "refused later"),
    "less_done": ("moins fait que réservé", "less done than reserved"),
}

APPROVAL_REFUSED: Family = {
    "too_expensive": ("montant trop élevé", "too expensive"),
    "not_justified": ("non justifié", "not justified"),
    "outside_terms": ("hors de la convention", "outside the terms"),
    "no_answer": ("pas de réponse à temps", "no answer in time"),
}

GOODWILL: Family = {  # why somebody grants what was refused
    "commercial_gesture": ("geste commercial", "commercial gesture"),
    "long_standing_member": ("fidélité du bénéficiaire", "long-standing member"),
    "hardship": ("situation difficile", "hardship"),
    "our_mistake": ("erreur de notre part", "our mistake"),
    "person_in_danger": ("personne en danger", "person in danger"),
}

AT_RISK: Family = {
    "no_decision_in_time": ("pas de décision à temps", "no decision in time"),
    "urgent": ("urgence", "urgent"),
    "person_in_danger": ("personne en danger", "person in danger"),
    "rights_unreachable": ("droits momentanément inaccessibles", "rights out of reach for now"),
    "commercial_gesture": ("geste commercial", "commercial gesture"),
}

NEED_CANCELLED: Family = {
    "changed_mind": ("changement d’avis", "changed their mind"),
    "solved_otherwise": ("résolu autrement", "solved otherwise"),
    "self_arranged": ("organisé par la personne elle-même", "arranged by the person"),
    "too_late": ("délai trop long", "too late"),
    "duplicate": ("demande en double", "duplicate"),
    "wrong_entry": ("erreur de saisie", "entered by mistake"),
    "no_provider_found": ("aucun prestataire trouvé", "no provider found"),
    "refused_price": ("prix refusé", "price refused"),
    "coverage_refused": ("prise en charge refusée", "coverage refused"),
    "unreachable": ("personne injoignable", "person unreachable"),
}

NEED_AMENDED: Family = {
    "wish_changed": ("souhait modifié", "wish changed"),
    "place_corrected": ("lieu corrigé", "place corrected"),
    "date_moved": ("date déplacée", "date moved"),
    "quantity_changed": ("quantité modifiée", "quantity changed"),
    "urgency_changed": ("urgence modifiée", "urgency changed"),
    "provider_asked": ("à la demande du prestataire", "asked by the provider"),
}

NEED_REINSTATED: Family = {
    "visit_had_started": ("l’intervention avait commencé", "the visit had started"),
    "work_was_done": ("la prestation était faite", "the work was done"),
}

CASE_CLOSED: Family = {
    "all_done": ("toutes les demandes faites", "everything done"),
    "all_cancelled": ("toutes les demandes annulées", "everything cancelled"),
    "all_refused": ("toutes les demandes refusées", "everything refused"),
    "mixed": ("toutes les demandes closes", "everything settled"),
    "by_hand": ("clos à la main", "closed by hand"),
}

CASE_REOPENED: Family = {
    "need_added": ("nouvelle demande", "new need"),
    "complaint": ("réclamation", "complaint"),
    "closed_by_mistake": ("clos par erreur", "closed by mistake"),
    "work_to_redo": ("prestation à reprendre", "work to be redone"),
    "billing_question": ("question de facturation", "billing question"),
    "goodwill": ("accordée par geste", "granted as a gesture"),
}

OFFER_DECLINED: Family = {
    "no_capacity": ("complet", "no capacity"),
    "too_far": ("trop loin", "too far"),
    "not_our_trade": ("hors de notre métier", "not our trade"),
    "price_too_low": ("prix insuffisant", "price too low"),
    "time_not_possible": ("horaire impossible", "time not possible"),
    "closed": ("fermé", "closed"),
    "worker_ill": ("intervenant absent", "worker absent"),
    "vehicle_unavailable": ("véhicule indisponible", "vehicle not available"),
    "material_unavailable": ("matériel indisponible", "material not available"),
    "place_refused": ("lieu refusé", "place refused"),
}

OFFER_WITHDRAWN: Family = {
    "need_cancelled": ("demande annulée", "need cancelled"),
    "need_amended": ("demande modifiée", "need amended"),
    "another_accepted": ("déjà prise par un autre prestataire", "already taken"),
    "taken_by_hand": ("attribuée à la main", "assigned by hand"),
    "coverage_refused": ("prise en charge refusée", "coverage refused"),
}

CANDIDATE_WHY: Family = {  # why a provider stands where it stands in the ranking
    "in_radius": ("dans le rayon", "within the radius"),
    "in_departement": ("dans le département", "in the département"),
    "nearest": ("le plus proche", "nearest"),
    "free_today": ("libre aujourd’hui", "free today"),
    "free_in_window": ("libre au créneau souhaité", "free in the wanted window"),
    "good_score": ("bien noté", "well rated"),
    "quick_to_answer": ("répond vite", "quick to answer"),
    "on_duty": ("d’astreinte", "on duty"),
    "lowest_price": ("le moins cher", "lowest price"),
    "knows_the_place": ("déjà venu", "has been there before"),
    "preferred": ("préféré du donneur d’ordre", "preferred by the principal"),
    "chosen_by_hand": ("choisi à la main", "chosen by hand"),
}

CANDIDATE_EXCLUDED: Family = {  # why a provider is not asked
    "not_active": ("plus actif", "no longer active"),
    "service_not_offered": ("prestation non proposée", "service not offered"),
    "out_of_area": ("hors de la zone desservie", "outside the area served"),
    "no_capacity": ("complet", "no capacity"),
    "already_asked": ("déjà sollicité", "asked already"),
}

MISSION_CANCELLED: Family = {
    "need_cancelled": ("demande annulée", "need cancelled"),
    "need_amended": ("demande modifiée", "need amended"),
    "provider_fell_silent": ("prestataire silencieux", "provider fell silent"),
    "provider_gave_up": ("prestataire désisté", "provider gave up"),
    "reassigned": ("confiée à un autre", "given to another"),
    "visit_failed": ("intervention non faite", "visit failed"),
    "coverage_refused": ("prise en charge refusée", "coverage refused"),
}

MISSION_UNFILLED: Family = {
    "no_candidate": ("aucun candidat", "no candidate"),
    "all_declined": ("refus de tous", "everyone declined"),
    "no_answer": ("pas de réponse à temps", "no answer in time"),
}

VISIT_FAILED: Family = {
    "nobody_home": ("personne sur place", "nobody there"),
    "no_access": ("accès impossible", "no access"),
    "wrong_material": ("matériel inadapté", "wrong material"),
    "weather": ("intempéries", "weather"),
    "unsafe": ("conditions dangereuses", "unsafe"),
    "provider_absent": ("prestataire non venu", "provider did not come"),
    "refused_on_site": ("refusée sur place", "refused on site"),
    "need_cancelled": ("demande annulée", "need cancelled"),
}

PRESTATION_CORRECTED: Family = {
    "quantity_wrong": ("quantité erronée", "wrong quantity"),
    "article_wrong": ("article erroné", "wrong article"),
    "not_done": ("non fait", "not done"),
    "done_in_addition": ("fait en plus", "done in addition"),
    "member_disagrees": ("contesté par le bénéficiaire", "contested by the member"),
}

BILL_DISPUTED: Family = {
    "price_wrong": ("prix erroné", "wrong price"),
    "quantity_wrong": ("quantité erronée", "wrong quantity"),
    "not_done": ("non fait", "not done"),
    "poor_work": ("malfaçon", "poor work"),
    "billed_twice": ("facturé deux fois", "billed twice"),
    "tariff_disagreed": ("désaccord sur le tarif", "tariff disagreed"),
}

CREDIT_NOTE: Family = {
    "prestation_corrected": ("prestation corrigée", "prestation corrected"),
    "price_wrong": ("prix erroné", "wrong price"),
    "billed_twice": ("facturé deux fois", "billed twice"),
    "commercial_gesture": ("geste commercial", "commercial gesture"),
}

TASK_KIND: Family = {
    "unfilled_mission": ("mission sans prestataire", "mission without provider"),
    "visit_not_started": ("intervention non commencée", "visit not started"),
    "visit_not_finished": ("intervention non terminée", "visit not finished"),
    "visit_failed": ("intervention non faite", "visit failed"),
    "provider_silent": ("prestataire silencieux", "provider silent"),
    "reconfirmation_missing": ("changement non confirmé par le prestataire", "change not confirmed by the provider"),
    "coverage_unanswered": ("décision de prise en charge en attente", "coverage not answered"),
    "approval_unanswered": ("accord en attente", "approval not answered"),
    "at_risk_refused": ("engagée à nos risques puis refusée", "gone on at risk, then refused"),
    "coverage_lost": ("plus prise en charge après modification", "no longer covered after a change"),
    "provisional_member": ("bénéficiaire provisoire, droits à vérifier", "provisional member, rights to be checked"),
    "reinstated_need": ("annulation arrivée trop tard", "cancellation came too late"),
    "bill_disputed": ("facture contestée", "bill disputed"),
    "tariff_missing": ("tarif manquant", "no tariff"),
    "terms_missing": ("conditions du donneur d’ordre manquantes", "no terms of the principal"),
    "consumer_paused": ("file d’événements en pause", "consumer paused"),
    "record_parked": ("événement bloqué", "record parked"),
    "webhook_silent": ("le logiciel d’un donneur d’ordre ne répond pas", "a principal’s software does not answer"),
}

TASK_OUTCOME: Family = {
    "done": ("faite", "done"),
    "done_by_hand": ("faite à la main", "done by hand"),
    "provider_found": ("prestataire trouvé", "provider found"),
    "retried": ("relancée", "tried again"),
    "resolved_itself": ("résolue d’elle-même", "resolved itself"),
    "need_cancelled": ("demande annulée", "need cancelled"),
    "accepted_loss": ("à notre charge", "at our expense"),
    "no_longer_needed": ("sans objet", "no longer needed"),
}

SERVICES: Family = {  # what people ask for; no reasons, so in no family
    "gardening": ("jardinage", "gardening"),
    "home_help": ("aide à domicile", "home help"),
    "childcare": ("garde d’enfants", "childcare"),
    "handyman": ("petits travaux", "small repairs"),
    "towing": ("dépannage-remorquage", "breakdown and towing"),
    "taxi": ("taxi", "taxi"),
    "locksmith": ("serrurerie", "locksmith"),
}

families: dict[str, Family] = {
    "coverage_refused": COVERAGE_REFUSED,
    "coverage_trace": COVERAGE_TRACE,
    "coverage_released": COVERAGE_RELEASED,
    "member_linked": MEMBER_LINKED,
    "approval_refused": APPROVAL_REFUSED,
    "goodwill": GOODWILL,
    "at_risk": AT_RISK,
    "need_cancelled": NEED_CANCELLED,
    "need_amended": NEED_AMENDED,
    "need_reinstated": NEED_REINSTATED,
    "case_closed": CASE_CLOSED,
    "case_reopened": CASE_REOPENED,
    "offer_declined": OFFER_DECLINED,
    "offer_withdrawn": OFFER_WITHDRAWN,
    "candidate_why": CANDIDATE_WHY,
    "candidate_excluded": CANDIDATE_EXCLUDED,
    "mission_cancelled": MISSION_CANCELLED,
    "mission_unfilled": MISSION_UNFILLED,
    "visit_failed": VISIT_FAILED,
    "prestation_corrected": PRESTATION_CORRECTED,
    "bill_disputed": BILL_DISPUTED,
    "credit_note": CREDIT_NOTE,
    "task_kind": TASK_KIND,
    "task_outcome": TASK_OUTCOME,
}

_TEXTS: Family = {code: texts for family in (*families.values(), SERVICES) for code, texts in family.items()}


def text(code: str, language: Literal["fr", "en"] = "fr") -> str:
    """What a person reads; a code this version does not know is shown as itself."""
    french, english = _TEXTS.get(code, (code, code))
    return french if language == "fr" else english
