"""Puts a personal value into the fields of an event."""

from urllib.parse import quote

# A line feed within a stack; the table has one row a line.
LINE = " ⏎ "


def url_quote(rng, text):
    """As browsers and servers write a value into a path."""
    return quote(text, safe=rng.choice(["", "", "+:@()!*',;$", "+:@()"]))


class Row:
    """One row of the corpus."""

    def __init__(self, kind, where, text, gone=(), stays=()):
        assert "\t" not in text and "\n" not in text, text
        assert not any("|" in piece for piece in [*gone, *stays]), text
        self.kind, self.where, self.text, self.gone, self.stays = kind, where, text, gone, stays

    def __str__(self):
        return "\t".join([self.kind, self.where, self.text, "|".join(self.gone), "|".join(self.stays)])


def path(half, value, gone, kind, words=()):
    """In a page's address, below a section and perhaps a word of its own."""
    rng = half.random
    base = half.pick(half.bases)
    word = "/" + half.pick(list(words)) if words else rng.choice(["", "", "", "/id", "/value"])
    text = f"https://{half.pick(half.hosts)}{base}{word}/{url_quote(rng, value)}{rng.choice(['', '', '/edit', '/', '/ok'])}"
    return Row(kind, "url", text, gone, [base])


def referrer(half, value, gone, kind, words=()):
    rng = half.random
    base = half.pick(half.bases)
    word = "/" + half.pick(list(words)) if words else rng.choice(["", "", "/id"])
    text = f"https://{half.pick(half.other_hosts)}{base}{word}/{url_quote(rng, value)}{rng.choice(['', '?x=1', '/edit'])}"
    return Row(kind, "referrer", text, gone, [base])


def query(half, value, gone, kind, words=()):
    name = half.pick(list(words) or half.free_query)
    encoded = quote(quote(value, safe="")) if half.random.random() < 0.15 else quote(value, safe=half.random.choice(["", "+@:/" if "+" not in value else ""]))
    return Row(kind, "query-allowed", f"{quote(name)}={encoded}", gone)


def prop(half, value, gone, kind, words=()):
    return Row(kind, "props", f"{half.pick(list(words) or half.free_props)}={value}", gone)


def error(half, value, gone, kind, words=()):
    if words:
        word = half.pick(list(words))
        text, stays = half.pick([
            ('{"%s":"%s","sex":"f"} rejected', ["rejected"]),
            ("Invalid %s: %s", ["Invalid"]),
            ('Error: bad value for %s = "%s"', ["Error: bad value"]),
            ("POST /api/save?x=1&%s=%s failed with 422", ["/api/save", "failed with 422"]),
            ("TypeError: cannot parse %s '%s'", ["TypeError: cannot parse"]),
        ])
        if "&%s" in text:
            value, word = quote(value, safe=""), quote(word)
        return Row(kind, "error", text % (word, value), gone, stays)
    text, stays = half.pick([
        ("Error: request failed: %s", ["Error: request failed"]),
        ("Uncaught (in promise) Error: %s not found", ["Uncaught", "not found"]),
        ("Invalid value \"%s\" for field", ["Invalid value", "for field"]),
        ("Cannot read properties of undefined (reading '%s')", ["Cannot read properties of undefined"]),
        ("Unexpected response for %s, status 500", ["Unexpected response", "status 500"]),
        ("Не найдено: %s", ["Не найдено"]),
    ])
    return Row(kind, "error", text % value, gone, stays)


def stack(half, value, gone, kind, words=()):
    word = half.pick(list(words)) if words else half.pick(["load", "get", "find"])
    frame = f"https://{half.pick(half.hosts)}/api/{quote(word)}/{quote(value, safe='')}:{half.random.randrange(1, 90)}:{half.random.randrange(1, 90)}"
    return Row(kind, "stack", f"TypeError: x is undefined{LINE}at load ({frame})", gone, ["TypeError: x is undefined", "/api/"])


def title(half, value, gone, kind, words=()):
    word = (half.pick(list(words)) + " ") if words else ""
    text, stays = half.pick([("%s | My account", ["My account"]), ("Кабинет: %s — Клиника", ["Кабинет", "Клиника"]), ("Details of %s - Shop", ["Details of", "Shop"])])
    return Row(kind, "title", text % (word + value), gone, stays)


def ad(half, value, gone, kind, words=()):
    return Row(kind, "ad", half.pick(["banner %s", "promo-%s", "%s", "side_%s"]) % value, gone)


def event_name(half, value, gone, kind, words=()):
    word = (half.pick(list(words)) + " ") if words else ""
    return Row(kind, "event-name", half.pick(["submit %s", "click: %s", "open %s", "Отправка %s"]) % (word + value), gone)


def cookie(half, value, gone, kind, words=()):
    return Row(kind, "cookie", half.pick([value, value, quote(value, safe="")]), gone)


ALL = (path, path, referrer, query, query, prop, prop, error, stack, title, ad, event_name, cookie)
# Where a word can stand before the value.
NAMED = (path, path, query, query, prop, prop, error, stack, title)
