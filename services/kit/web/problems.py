"""What a page says when a request could not be done: what happened, what to do next, and the trace to quote."""

from dataclasses import dataclass

# status → (what happened, what to do), in French; the .po files hold the English
SENTENCES = {
    400: ("Cette demande n’a pas pu être lue.", "Revenez à la page précédente et recommencez."),
    401: ("Votre session est terminée.", "Connectez-vous de nouveau : vous reviendrez au même endroit."),
    403: ("Vous n’avez pas accès à cette page.", "Demandez ce droit à votre responsable si vous en avez besoin."),
    404: ("Cette page n’existe pas, ou n’est pas à vous.", "Vérifiez le numéro, ou cherchez le dossier."),
    409: ("Quelqu’un vient de faire ce geste avant vous.", "Rechargez pour voir le nouvel état ; votre saisie est gardée."),
    412: ("Ces données ont changé depuis leur ouverture.", "Rechargez pour voir le nouvel état ; votre saisie est gardée."),
    413: ("Ce qui a été envoyé est trop gros.", "Envoyez un fichier plus petit."),
    422: ("Certaines réponses sont à corriger.", "Corrigez les champs signalés, puis envoyez de nouveau."),
    429: ("Trop de demandes en peu de temps.", "Attendez une minute, puis recommencez."),
    500: ("Une erreur de notre côté a empêché cette demande.", "Recommencez ; si cela se répète, donnez cette trace au support."),
    503: ("Ce service ne répond pas pour l’instant.", "Recommencez dans un instant ; les autres pages restent utilisables."),
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    advice: str
    trace_id: str = ""
    code: str = ""


def problem(status: int, *, title: str = "", advice: str = "", trace_id: str = "", code: str = "") -> Problem:
    """With the usual sentences of the status where none is given."""
    kind = status if status in SENTENCES else 503 if status in (502, 504) else 400 if status < 500 else 500
    usual_title, usual_advice = SENTENCES[kind]
    return Problem(status, title or usual_title, advice or usual_advice, trace_id, code)
