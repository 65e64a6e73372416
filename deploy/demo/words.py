"""Words that the demo's people, streets and firms are named with. Every person is invented."""

WOMEN = (
    *("Adèle", "Agathe", "Aïcha", "Alice", "Amandine", "Anaïs", "Apolline", "Aurore", "Béatrice", "Bérénice", "Camille", "Capucine", "Chloé"),
    *("Clémence", "Colette", "Coralie", "Daphné", "Élise", "Eugénie", "Fanny", "Fatou", "Flore", "Gaëlle", "Geneviève", "Hélène", "Inès", "Iris"),
    *("Jeanne", "Joséphine", "Justine", "Khadija", "Léonie", "Lise", "Louise", "Lucie", "Maëlle", "Manon", "Margaux", "Mathilde", "Nadia"),
    *("Noémie", "Océane", "Odette", "Pauline", "Romane", "Rose", "Salomé", "Simone", "Solène", "Suzanne", "Thérèse", "Violette", "Yasmine", "Zoé"),
)
MEN = (
    *("Achille", "Adrien", "Alban", "Amadou", "Anatole", "Antonin", "Armand", "Arthur", "Aymeric", "Baptiste", "Bastien", "Benoît", "Cédric"),
    *("Clovis", "Corentin", "Cyprien", "Damien", "Denis", "Élie", "Émile", "Étienne", "Fabrice", "Félix", "Florent", "Gaspard", "Gauthier", "Gilles"),
    *("Guilhem", "Hector", "Hugo", "Ismaël", "Jérôme", "Joachim", "Jules", "Karim", "Léo", "Loïc", "Lucien", "Malo", "Marius", "Mehdi"),
    *("Moussa", "Nathan", "Noël", "Octave", "Pierrick", "Quentin", "Rémi", "Robin", "Sacha", "Samuel", "Théo", "Ulysse", "Victor", "Yann"),
)
NAME_BEGINNINGS = (
    *("Aubert", "Barde", "Beau", "Belle", "Berthe", "Boisse", "Bonne", "Bour", "Brisse", "Castel", "Chante", "Charde", "Clair", "Combe", "Corbe"),
    *("Courte", "Dar", "Dela", "Des", "Dur", "Escar", "Fauche", "Ferre", "Flau", "Fonte", "Gali", "Garde", "Gour", "Grande", "Haute", "Jour"),
    *("Lance", "Lar", "Lave", "Mala", "Marche", "Maure", "Merci", "Mire", "Monte", "Morte", "Noire", "Pala", "Perre", "Pierre", "Plante", "Pré"),
    *("Quer", "Ravi", "Rica", "Roque", "Sala", "Sauve", "Tala", "Tour", "Vala", "Verde", "Vigne", "Ville"),
)
NAME_ENDINGS = (
    *("bois", "bout", "camp", "caux", "champ", "court", "dier", "douin", "fond", "fort", "fosse", "gnac", "gneux", "grain", "lac", "lier", "main"),
    *("mont", "nac", "naud", "nier", "noble", "pré", "quet", "rac", "rain", "reau", "rieux", "rolles", "roux", "sac", "selin", "tain", "teau"),
    *("thier", "tigny", "val", "vergne", "vert", "vignac", "villard", "voisin"),
)
WAYS = (*("rue", "rue", "rue", "avenue", "boulevard", "chemin", "impasse", "allée", "place", "route", "quai", "passage"),)
WAY_NAMES = (
    *("des Lilas", "du Moulin", "de l'Église", "des Écoles", "de la Fontaine", "du Lavoir", "des Tilleuls", "de la Gare", "du Stade", "des Acacias"),
    *("du Château", "de la République", "des Vignes", "du Général Leclerc", "Victor Hugo", "Jean Jaurès", "Pasteur", "des Peupliers", "du Port"),
    *("de Verdun", "des Jardins", "du Marché", "de la Liberté", "du 8 Mai 1945", "Émile Zola", "des Rosiers", "Saint-Martin", "Notre-Dame"),
)
FIRMS = (
    *("Alizé", "Amarante", "Aubépine", "Belle Étape", "Boréal", "Calanque", "Capucine", "Caravelle", "Chèvrefeuille", "Clé de Voûte", "Colibri"),
    *("Coquelicot", "Entre-Deux", "Étoile du Nord", "Fil d'Ariane", "Genêt", "Grand Large", "Hirondelle", "Jonquille", "La Passerelle"),
    *("Le Relais", "Libellule", "Lys Blanc", "Main Tendue", "Marjolaine", "Mésange", "Millepertuis", "Mistral", "Moulin Vert", "Océane"),
    *("Pain d'Épice", "Passiflore", "Petit Pont", "Pivoine", "Primevère", "Quatre Saisons", "Romarin", "Sarriette", "Tournesol", "Trait d'Union"),
)
TRADES = ("Services", "Assistance", "Dépannage", "& Fils", "Proximité", "Interventions")
WISHES = {
    "gardening": ("Haie à tailler le long de la clôture.", "Pelouse et massifs à remettre en état.", "Branche cassée sur l'allée du garage."),
    "home_help": ("Retour d'hospitalisation, courses et repas.", "Ménage et linge après une opération.", "Aide au lever et au coucher."),
    "childcare": ("Garde de deux enfants après l'école.", "Enfant malade, parents au travail.", "Nuit de garde, urgence familiale."),
    "handyman": ("Volet roulant bloqué.", "Étagère tombée, mur à reprendre.", "Fuite sous l'évier, joint à changer."),
    "towing": ("Voiture en panne sur le parking.", "Batterie à plat, ne démarre plus.", "Pneu crevé, pas de roue de secours."),
    "taxi": ("Retour au domicile après la panne.", "Conduire à la gare la plus proche.", "Rejoindre l'hôpital pour une consultation."),
    "locksmith": ("Porte claquée, clés à l'intérieur.", "Clé cassée dans la serrure.", "Serrure forcée après un cambriolage."),
}
