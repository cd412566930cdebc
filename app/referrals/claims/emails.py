"""E-mail addresses as people write them, and which of them are one mailbox."""

import re
import unicodedata

LENGTH_MAX = 254
ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{1,62}")
# letters of other scripts that look like these; what a compatibility form or an accent is, Unicode
# itself tells
LOOKALIKES = str.maketrans(
    "\u0430\u0441\u0501\u0435\u0261\u04bb\u0456\u0458\u043a\u04cf\u043c\u043f\u043e\u0440\u051b"
    "\u0455\u0442\u0443\u0475\u051d\u0445\u0437\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4"
    "\u03c5\u03c7\u0131\u0253\u0257\u0581\u0570\u0578\u057d\u0585\u0269\u028f",
    "acdeghijklmnopqstyvwx3aeikvoptuxibdghnuoiy",
)
DOTS_ARE_NOTHING = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
SAME_DOMAINS = {"ya.ru": "yandex.ru", "pm.me": "proton.me", "protonmail.com": "proton.me"}
TAGGED = re.compile(r"[+].*$")
DIGITS = re.compile(r"[0-9]+$")
ALIKE = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("5", "s"))
# names of a room and not of a person
GENERAL = frozenset(
    (
        "info",
        "hello",
        "contact",
        "mail",
        "office",
        "sales",
        "shop",
        "home",
        "email",
        "admin",
        "post",
    )
)
NAME_LENGTH_MIN = 5
CLOSE_LENGTH_MIN = 6
# mailboxes that end by themselves; relays that hide a real one (iCloud, Firefox, DuckDuckGo) are
# what careful people use, and stand in no such list
DISPOSABLE = frozenset(
    (
        *("10minutemail.com", "20minutemail.com", "33mail.com", "byom.de", "burnermail.io"),
        *("dispostable.com", "dropmail.me", "einrot.com", "emailondeck.com", "fakeinbox.com"),
        *("getairmail.com", "getnada.com", "grr.la", "guerrillamail.com", "guerrillamail.info"),
        *("guerrillamail.net", "guerrillamail.org", "harakirimail.com", "inboxkitten.com"),
        *("mail-temp.com", "mail.tm", "mailcatch.com", "maildrop.cc", "mailinator.com"),
        *("mailnesia.com", "mailpoof.com", "mailsac.com", "mintemail.com", "moakt.com"),
        *("mohmal.com", "mytemp.email", "nada.email", "sharklasers.com", "spam4.me"),
        *("spamgourmet.com", "temp-mail.io", "temp-mail.org", "tempail.com", "tempmail.com"),
        *("tempmail.dev", "tempmailo.com", "tempr.email", "throwawaymail.com", "trash-mail.com"),
        *("trashmail.com", "trashmail.de", "tmpmail.org", "wegwerfmail.de", "yopmail.com"),
        *("yopmail.fr", "zetmail.com", "discard.email", "fakemail.net", "minuteinbox.com"),
    )
)


def read(typed: str) -> str:
    """The address somebody typed, in small letters and without what surrounds it; empty for what
    is no address.
    """
    if len(typed) > LENGTH_MAX:
        return ""
    plain = unicodedata.normalize("NFKC", typed).strip().casefold()
    local, _, domain = plain.rpartition("@")
    address = f"{local}@{_look(domain)}"
    return plain if ADDRESS.fullmatch(address) else ""


def mailbox(address: str) -> str:
    """The same for all ways to write one mailbox: letters of other scripts that look alike,
    accents, +tags, and the dots of those who ignore them; empty for what is no address.
    """
    plain = read(address)
    if not plain:
        return ""
    local, _, domain = _look(plain).rpartition("@")
    local = TAGGED.sub("", local) or local
    domain = SAME_DOMAINS.get(domain, domain)
    if domain in DOTS_ARE_NOTHING:
        local, domain = local.replace(".", ""), DOTS_ARE_NOTHING[domain]
    return f"{local}@{domain}"


def is_disposable(address: str) -> bool:
    """Whether its mailbox, or the domain above it, is one that ends by itself."""
    parts = mailbox(address).rpartition("@")[2].split(".")
    return any(".".join(parts[at:]) in DISPOSABLE for at in range(len(parts) - 1))


def are_similar(one: str, other: str) -> bool:
    """Whether two different mailboxes are likely to be one person's: the same name at two
    providers, or names at one that a digit, a dot or a single letter keeps apart.
    """
    (local, domain), (local_2, domain_2) = _split(one), _split(other)
    if not local or not local_2 or (local, domain) == (local_2, domain_2):
        return False
    bare, bare_2 = _bare(local), _bare(local_2)
    if bare == bare_2:
        return len(bare) >= NAME_LENGTH_MIN and bare not in GENERAL
    if domain != domain_2:
        return False
    shorter = min(len(bare), len(bare_2))
    return shorter >= CLOSE_LENGTH_MIN and _is_one_apart(bare, bare_2)


def _split(address: str) -> tuple[str, str]:
    local, _, domain = mailbox(address).rpartition("@")
    return local, domain


def _bare(local: str) -> str:
    """A name without what is added to make another one of it."""
    bare = re.sub(r"[._-]", "", local)
    bare = DIGITS.sub("", bare) or bare
    for seen, meant in ALIKE:
        bare = bare.replace(seen, meant)
    return bare


def _is_one_apart(one: str, other: str) -> bool:
    """Whether one letter was changed, added, or taken out."""
    if abs(len(one) - len(other)) > 1:
        return False
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    at = next((i for i, letter in enumerate(shorter) if letter != longer[i]), len(shorter))
    rest = shorter[at + 1 :] if len(one) == len(other) else shorter[at:]
    return longer[at + 1 :] == rest


def _look(text: str) -> str:
    """Text by the look of its letters."""
    apart = unicodedata.normalize("NFKD", text.translate(LOOKALIKES))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
