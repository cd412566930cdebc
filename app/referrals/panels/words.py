"""The words of the page a link leads to, in the four languages of the storefront."""

import re
from decimal import Decimal

from app import money
from app.referrals.claims.actions import NO_ADDRESS, NO_LINK, NOT_FOR_YOU, NOT_ON
from app.referrals.views import Settings

AWAY = "This offer cannot be shown at this moment. It is not lost: please try again in a moment."
NOT_SAVED = (
    "This could not be saved at this moment. Please send it again in a moment: it counts once."
)
TOO_OFTEN = "Too many addresses were sent from here. Please try again later."
LANGUAGE = re.compile(r"\s*([a-z]{2})", re.IGNORECASE)
OFFERS = {
    "en": ("{off} off your first order", " of {least} or more"),
    "de": ("{off} Rabatt auf deine erste Bestellung", " ab {least}"),
    "fr": ("{off} de réduction sur votre première commande", " à partir de {least}"),
    "es": ("{off} de descuento en tu primer pedido", " a partir de {least}"),
}
WORDS = {
    "en": {
        "title": "A friend's offer",
        "invited": "A friend invited you. Give your e-mail address, and the code is yours.",
        "address": "Your e-mail address",
        "get": "Get my code",
        "again": "Look again",
        "why": "The address is used to make your code and to see that this is your first order "
        "here.",
        "code": "This is your code. It is for you, for one order.",
        "use": "Use it and look around",
        "thanks": "Thank you",
        "held": "The shop looks at this before your code is made. Come back to this page in a day "
        "or two and send the same address: your code stands here then.",
        "making": "Your code is on its way",
        "soon": "It is being made. Send the same address again in a minute, and it stands here.",
        "failed": "Your code could not be made",
        "sorry": "The shop has been told of it. Please ask there, or come back later.",
        "own": "This is your own link",
        "send": "Send it to friends. Each gets:",
    },
    "de": {
        "title": "Das Angebot einer Freundin oder eines Freundes",
        "invited": "Du wurdest eingeladen. Gib deine E-Mail-Adresse an, und der Code gehört dir.",
        "address": "Deine E-Mail-Adresse",
        "get": "Code holen",
        "again": "Noch einmal nachsehen",
        "why": "Mit der Adresse machen wir deinen Code und sehen, dass dies deine erste "
        "Bestellung hier ist.",
        "code": "Das ist dein Code. Er gilt für dich und für eine Bestellung.",
        "use": "Einlösen und umsehen",
        "thanks": "Danke",
        "held": "Der Shop sieht sich das an, bevor dein Code gemacht wird. Komm in ein, zwei Tagen "
        "wieder und sende dieselbe Adresse: Dann steht dein Code hier.",
        "making": "Dein Code ist unterwegs",
        "soon": "Er wird gerade gemacht. Sende dieselbe Adresse in einer Minute noch einmal, dann "
        "steht er hier.",
        "failed": "Dein Code konnte nicht gemacht werden",
        "sorry": "Der Shop weiß davon. Bitte frag dort nach, oder komm später wieder.",
        "own": "Das ist dein eigener Link",
        "send": "Schick ihn an Freunde. Alle bekommen:",
        NO_LINK: "Diesen Link gibt es nicht mehr. Frag, wer ihn geschickt hat, nach dem neuen.",
        NO_ADDRESS: "Bitte gib deine E-Mail-Adresse an, etwa anna@example.com.",
        NOT_ON: "Dieser Shop hat gerade kein Angebot für Freunde.",
        NOT_FOR_YOU: "Mit dieser Adresse geht es nicht: Das Angebot ist für alle, die neu hier "
        "sind und noch nicht eingeladen wurden.",
        AWAY: "Das Angebot lässt sich gerade nicht zeigen. Es ist nicht verloren: Bitte versuch es "
        "gleich noch einmal.",
        NOT_SAVED: "Das ließ sich gerade nicht speichern. Bitte sende es gleich noch einmal: Es "
        "zählt einmal.",
        TOO_OFTEN: "Von hier kamen zu viele Adressen. Bitte versuch es später wieder.",
    },
    "fr": {
        "title": "L'offre d'un proche",
        "invited": "Un proche vous invite. Donnez votre adresse e-mail, et le code est à vous.",
        "address": "Votre adresse e-mail",
        "get": "Obtenir mon code",
        "again": "Vérifier à nouveau",
        "why": "L'adresse sert à créer votre code et à voir que c'est votre première commande ici.",
        "code": "Voici votre code. Il est pour vous, pour une commande.",
        "use": "L'utiliser et découvrir la boutique",
        "thanks": "Merci",
        "held": "La boutique vérifie avant de créer votre code. Revenez dans un jour ou deux et "
        "envoyez la même adresse : votre code sera ici.",
        "making": "Votre code arrive",
        "soon": "Il est en cours de création. Renvoyez la même adresse dans une minute, et il sera "
        "ici.",
        "failed": "Votre code n'a pas pu être créé",
        "sorry": "La boutique en est informée. Demandez-lui, ou revenez plus tard.",
        "own": "C'est votre propre lien",
        "send": "Envoyez-le à vos proches. Chacun reçoit :",
        NO_LINK: "Ce lien n'existe plus. Demandez le sien à la personne qui vous l'a envoyé.",
        NO_ADDRESS: "Donnez votre adresse e-mail, par exemple anna@example.com.",
        NOT_ON: "Cette boutique n'a pas d'offre de parrainage en ce moment.",
        NOT_FOR_YOU: "Cette adresse ne peut pas profiter de l'offre : elle est pour qui est "
        "nouveau ici et n'a pas encore été invité.",
        AWAY: "L'offre ne peut pas être affichée en ce moment. Elle n'est pas perdue : réessayez "
        "dans un instant.",
        NOT_SAVED: "Cela n'a pas pu être enregistré. Renvoyez-le dans un instant : cela ne compte "
        "qu'une fois.",
        TOO_OFTEN: "Trop d'adresses ont été envoyées d'ici. Réessayez plus tard.",
    },
    "es": {
        "title": "La oferta de una amistad",
        "invited": "Te han invitado. Escribe tu correo electrónico y el código es tuyo.",
        "address": "Tu correo electrónico",
        "get": "Obtener mi código",
        "again": "Mirar otra vez",
        "why": "El correo sirve para crear tu código y ver que este es tu primer pedido aquí.",
        "code": "Este es tu código. Es para ti, para un pedido.",
        "use": "Usarlo y ver la tienda",
        "thanks": "Gracias",
        "held": "La tienda lo mira antes de crear tu código. Vuelve en uno o dos días y envía el "
        "mismo correo: tu código estará aquí.",
        "making": "Tu código está en camino",
        "soon": "Se está creando. Envía el mismo correo dentro de un minuto y estará aquí.",
        "failed": "No se pudo crear tu código",
        "sorry": "La tienda ya lo sabe. Pregunta allí o vuelve más tarde.",
        "own": "Este es tu propio enlace",
        "send": "Envíalo a tus amistades. Cada una recibe:",
        NO_LINK: "Este enlace ya no existe. Pide el suyo a quien te lo envió.",
        NO_ADDRESS: "Escribe tu correo electrónico, por ejemplo anna@example.com.",
        NOT_ON: "Esta tienda no tiene ahora ninguna oferta para amistades.",
        NOT_FOR_YOU: "Este correo no puede usar la oferta: es para quien es nuevo aquí y todavía "
        "no fue invitado.",
        AWAY: "La oferta no se puede mostrar en este momento. No se ha perdido: inténtalo de nuevo "
        "en un momento.",
        NOT_SAVED: "No se pudo guardar en este momento. Envíalo otra vez en un momento: cuenta una "
        "sola vez.",
        TOO_OFTEN: "Se enviaron demasiados correos desde aquí. Inténtalo más tarde.",
    },
}


def language_of(accepted: str) -> str:
    """The first language of an Accept-Language header that there are words in; else English."""
    for part in accepted[:200].split(","):
        found = LANGUAGE.match(part)
        if found and found[1].lower() in WORDS:
            return found[1].lower()
    return "en"


def said(sentence: str, language: str) -> str:
    """A sentence of the service in that language; as it is where there are no words for it."""
    return WORDS[language].get(sentence, sentence)


def offer(settings: Settings, currency: str, language: str) -> str:
    """ "10% off your first order of $20.00 or more"."""
    value = settings.friend_value
    is_percent = settings.friend_kind == "percent"
    off = f"{value.normalize():f}%" if is_percent else money.text(value, currency)
    whole, least = OFFERS[language]
    text = whole.format(off=off)
    if settings.friend_minimum > Decimal(0):
        text += least.format(least=money.text(settings.friend_minimum, currency))
    return text
