"""Rows with something that must not survive."""

from urllib.parse import quote

import identifiers as ids
from places import ALL, LINE, NAMED, Row, ad, cookie, error, event_name, path, prop, query, referrer, stack, title
from words import latin


def spread(half, kind, count, make, places=ALL, words=()):
    """`count` rows of a kind. `make` returns a value and the pieces that must go."""
    for index in range(count):
        value, gone = make(half)
        yield half.pick([places[index % len(places)], half.pick(places)])(half, value, gone, kind, words)


def tail(text):
    """A value and the last two thirds of it: a value that is half removed still identifies."""
    return [text, text[len(text) // 3:]]


def grouped(make, separators=" -", rate=0.5):
    def value(half):
        whole, parts = make(half.random)
        if half.random.random() < rate:
            return whole, tail(whole)
        separator = half.pick(separators)
        text = separator.join(parts)
        return text, [text, separator.join(parts[-2:])]
    return value


def person(half, feminine=None):
    """Surname, given name, patronymic."""
    if half.random.random() < 0.5 if feminine is None else feminine:
        return half.pick(half.surnames_f), half.pick(half.given_f), half.pick(half.patronymics_f)
    return half.pick(half.surnames_m), half.pick(half.given_m), half.pick(half.patronymics_m)


def email(half):
    rng = half.random
    if rng.random() < 0.5:
        local = half.pick(["{0}.{1}", "{0}_{1}", "{0}{1}7", "{1}-{0}", "{0}+shop"]).format(half.pick(half.latin_given), half.pick(half.latin_surnames))
    else:
        surname, given, _ = person(half)
        local = half.pick(["{0}.{1}", "{1}{0}", "{0}{2}"]).format(latin(given)[0], latin(surname), rng.randrange(60, 99)).replace("'", "")
    return f"{local}@{half.pick(half.domains)}", local


def email_value(half):
    whole, local = email(half)
    return whole, [whole, local] if len(local) > 5 else [whole]


def email_idn(half):
    surname, given, _ = person(half)
    local = f"{given}.{surname}".lower()
    return f"{local}@{half.pick(half.idn_domains)}", [local, surname.lower()]


def emails_encoded(half, count):
    for index in range(count):
        whole, local = email(half)
        if index % 3 == 0:
            text = f"https://{half.pick(half.hosts)}{half.pick(half.bases)}/u/{quote(quote(whole, safe=''))}/edit"
            yield Row("email-encoded", "url", text, [whole, local], ["/edit"])
        elif index % 3 == 1:
            yield Row("email-encoded", "query-allowed", f"{half.pick(half.free_query)}={quote(quote(whole, safe=''))}", [whole])
        else:
            text = f"GET https://{half.pick(half.hosts)}/api?next=%2Fmail%2F{quote(whole, safe='')}&x=1 500"
            yield Row("email-encoded", "error", text, [whole, local], ["GET", "500"])


def emails_disguised(half, count):
    for _ in range(count):
        whole, local = email(half)
        name, domain = whole.split("@")
        at = half.pick(["&#64;", "\\u0040", "＠", "&#x40;", "&commat;", "%u0040", "&#064;", "﹫"])
        text, where = half.pick([("User %s not found", "error"), ("Письмо для %s", "title"), ("html=<a href='mailto:%s'>", "props"), ("to %s", "event-name")])
        yield Row("email-disguised", where, text % (name + at + domain), [name])


def emails_spelt(half, count):
    for _ in range(count):
        whole, local = email(half)
        name, domain = whole.split("@")
        at, dot = half.pick([(" [at] ", " dot "), ("(at)", "(dot)"), (" (собака) ", "."), (" собака ", " точка "), ("[at]", "."), (" [собака] ", " точка ")])
        where = half.pick([("comment=%s", "props"), ("Письмо на %s", "title"), ("send %s", "event-name")])
        yield Row("hard-email-spelt", where[1], where[0] % (name + at + domain.replace(".", dot)), [name])


def emails_base64(half, count):
    for index in range(count):
        whole, local = email(half)
        text = ids.in_base64(whole, url_safe=index % 2 == 0)
        bare = text.rstrip("=")
        place = [path, query, prop, referrer][index % 4]
        yield place(half, half.pick([text, bare]) if place is not path else bare, [bare, bare[: len(bare) * 2 // 3]], "email-base64")


def phone_ru(half):
    code, rest = ids.phone_ru(half.random)
    a, b, c = rest[:3], rest[3:5], rest[5:]
    form = half.pick([
        "+7{0}{1}{2}{3}", "8{0}{1}{2}{3}", "7{0}{1}{2}{3}", "+7 ({0}) {1}-{2}-{3}", "8 ({0}) {1}-{2}-{3}", "8-{0}-{1}-{2}-{3}", "+7 {0} {1} {2} {3}",
        "+7({0}){1}{2}{3}", "8({0}){1}-{2}-{3}", "+7-{0}-{1}-{2}-{3}", "({0}) {1}-{2}-{3}", "{0} {1}-{2}-{3}", "+7.{0}.{1}.{2}.{3}", "8 {0} {1}{2}{3}",
        "+7\u00a0{0}\u00a0{1}\u2011{2}\u2011{3}", "8_{0}_{1}_{2}_{3}", "+7 – {0} – {1} – {2} – {3}", "8 {0} {1} {2}{3}", "+7/{0}/{1}{2}{3}", "+7 ({0}) {1} {2} {3}",
        "+ 7 {0} {1}-{2}-{3}", "8{0}-{1}-{2}-{3}", "+7 {0}-{1}{2}{3}", "7-{0}-{1}{2}{3}", "{0}-{1}-{2}-{3}", "(8{0}) {1}-{2}-{3}",
    ])
    text = form.format(code, a, b, c)
    joint = "" if a + b + c in text else text[text.rindex(a):]
    return text, [text, joint or a + b + c]


def phone_region(half):
    """Codes of four and five digits with numbers of six and five."""
    rng = half.random
    code = half.pick(["3952", "4852", "8442", "34355", "48762", "39161"])
    rest = ids.some(rng, "23456789", 10 - len(code))
    split = "-".join([rest[:-4], rest[-4:-2], rest[-2:]])
    text = half.pick(["8 ({0}) {1}", "+7 ({0}) {1}", "8-{0}-{1}", "+7 {0} {1}", "({0}) {1}"]).format(code, split)
    return text, [text, split]


def phone_intl(half):
    country, parts = ids.phone_intl(half.random)
    form = half.pick(["+{0}{2}", "+{0} {1}", "00{0}{2}", "00{0} {1}", "+{0}-{3}", "+{0} ({4}) {5}", "+{0}.{6}"])
    joint = "".join(parts)
    text = form.format(country, " ".join(parts), joint, "-".join(parts), parts[0], " ".join(parts[1:]), ".".join(parts))
    return text, [text, text[-len(joint) // 2:] if joint in text else text[-9:]]


def phones_encoded(half, count):
    for _ in range(count):
        code, rest = ids.phone_ru(half.random)
        whole = f"+7{code}{rest}"
        once, twice = quote(whole, safe=""), quote(quote(whole, safe=""))
        text, where, stays = half.pick([
            (f"href=https://wa.me/{whole[1:]}", "props", ["wa.me"]),
            (f"href=tel:{whole}", "props", ["tel"]),
            (f"https://{half.pick(half.hosts)}/call/tel:{whole}", "url", ["/call"]),
            (f"https://{half.pick(half.other_hosts)}/sms/{twice}", "referrer", ["/sms"]),
            (f"https://{half.pick(half.hosts)}/dial/{once}/now", "url", ["/dial", "/now"]),
            (f"href=viber://chat?number={once}", "props", ["viber"]),
            (f"{half.pick(half.free_query)}={twice}", "query-allowed", []),
            (f"GET /api/sms?to={once} 500", "error", ["500"]),
        ])
        yield Row("phone-encoded", where, text, [whole[2:], code + rest[:3], rest], stays)


def phone_short(half):
    text = ids.some(half.random, "23456789", 1) + ids.some(half.random, ids.DIGITS, 6)
    text = half.pick([text, f"{text[:3]}-{text[3:5]}-{text[5:]}", f"{text[:3]} {text[3:]}", f"{text[1:3]}-{text[3:5]}-{text[5:]}"])
    return text, [text, text[-5:]]


PHONE_WORDS = ["phone", "tel", "telephone", "mobile", "phone_number", "whatsapp", "cell", "userPhone", "контактный телефон", "телефон", "тел", "contact-phone", "phoneNumber", "telefon", "mobilnyj"]
SNILS_WORDS = ["snils", "СНИЛС", "snils_number", "patientSnils", "снилс"]
INN_WORDS = ["inn", "ИНН", "инн", "company_inn", "tax_inn", "INN"]
PASSPORT_WORDS = ["passport", "паспорт", "passport_number", "passportNumber", "pasport", "Паспорт РФ", "document-number", "загранпаспорт"]
POLICY_WORDS = ["policy", "polis", "полис", "oms", "ОМС", "policy_number", "insurance-policy", "полис ДМС", "osago"]
CARD_WORDS = ["pan", "card_number", "cardNumber", "карта", "bank-card", "номер карты", "cc"]
BIRTH_WORDS = ["birth", "birthdate", "birth_date", "birthday", "dob", "date_of_birth", "dateOfBirth", "др", "дата рождения", "ДатаРождения", "data-rozhdeniya", "patient_birth_date"]
NAME_WORDS = ["patient_name", "first_name", "last_name", "surname", "fio", "full_name", "ФИО", "фамилия", "имя", "отчество", "patronymic", "firstName", "lastname", "client-name", "middle_name", "customerName", "user[name]", "familiya", "имя пациента", "fullName", "contact_name"]
LOGIN_WORDS = ["login", "user", "username", "user_name", "nickname", "userLogin", "логин", "nick", "screen_name"]
TOKEN_NAMES = ["token", "access_token", "auth", "sid", "session", "sessionid", "PHPSESSID", "csrf", "api_key", "refresh_token", "ticket_token", "sessionKey", "JSESSIONID", "otp_token"]
SECRET_WORDS = ["password", "passwd", "pwd", "пароль", "user_password", "newPassword", "pin", "passphrase"]
LAT_WORDS = [("lat", "lon"), ("latitude", "longitude"), ("lat", "lng"), ("user_lat", "user_lng"), ("широта", "долгота")]


def birth(half):
    rng = half.random
    day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(1934, 2019)
    names = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
    english = "January February March April May June July August September October November December".split()
    text = half.pick([
        f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}", f"{day}/{month}/{year}", f"{year}{month:02}{day:02}", f"{day} {names[month - 1]} {year}",
        f"{english[month - 1]} {day}, {year}", f"{day:02}-{month:02}-{year}", f"{day:02}.{month:02}.{year} г.", f"{day:02}{month:02}{year}", f"{year}/{month:02}/{day:02}",
    ])
    return text, [text, str(year)]


def record_number(half):
    rng = half.random
    text = half.pick([
        ids.some(rng, "123456789", 1) + ids.some(rng, ids.DIGITS, rng.randrange(4, 8)),
        f"{rng.randrange(10, 99)}-{ids.some(rng, ids.DIGITS, rng.randrange(5, 7))}",
        f"{rng.choice(['A', 'M', 'MK', 'AK', 'P', 'Z'])}-{ids.some(rng, ids.DIGITS, rng.randrange(5, 8))}",
        f"{rng.choice(['A', 'MRN', 'EHR', 'M'])}{ids.some(rng, ids.DIGITS, rng.randrange(6, 8))}",
        f"{rng.randrange(2019, 2027)}-{ids.some(rng, ids.DIGITS, rng.randrange(5, 7))}",
    ])
    digits = "".join(letter for letter in text if letter.isdigit())
    return text, [text, digits[-5:]]


def records(half, count):
    words = half.persons + half.records
    for index in range(count):
        word, (number, gone) = half.pick(words), record_number(half)
        host = half.pick(half.hosts)
        yield half.pick([
            lambda: Row("mrn", "url", f"https://{host}/{word}/{number}", gone, []),
            lambda: Row("mrn", "url", f"https://{host}/app/{quote(word)}/{number}/print", gone, ["/app", "/print"]),
            lambda: Row("mrn", "url", f"https://{host}/lk/{word}-{number}.html", gone, ["/lk"]),
            lambda: Row("mrn", "query-allowed", f"{quote(word)}={number}", gone),
            lambda: Row("mrn", "props", f"{word}_id={number}", gone),
            lambda: Row("mrn", "error", f"{word} {number} not found", gone, ["not found"]),
            lambda: Row("mrn", "error", f"Failed to load {word} #{number}", gone, ["Failed to load"]),
            lambda: Row("mrn", "error", f'{{"{word}Id":"{number}","status":"new"}} rejected', gone, ["rejected", '"status":"new"']),
            lambda: Row("mrn", "title", f"{word.capitalize()} № {number} — Клиника", gone, ["Клиника"]),
            lambda: Row("mrn", "event-name", f"print {word} {number}", gone, ["print"]),
            lambda: Row("mrn", "referrer", f"https://{half.pick(half.other_hosts)}/{word}/view/{number}?x=1", gone, []),
        ])()


RUSSIAN_RECORDS = ["Карта № %s не найдена", "Заказ №%s оформлен", "Талон %s выдан", "Направление № %s просрочено", "История болезни %s закрыта", "Запись %s отменена", "Номер заявки: %s", "Договор №%s подписан", "Пациент %s не найден", "Результаты анализа № %s готовы", "по заказу %s нет оплаты", "Бронь %s подтверждена", "номер медкарты %s", "Чек %s сформирован"]


def records_russian(half, count):
    for index in range(count):
        number, gone = record_number(half)
        where = half.pick(["error", "title", "event-name"])
        yield Row("order-number", where, half.pick(RUSSIAN_RECORDS[half.which::2]) % number, gone)


def short_records(half, count):
    for _ in range(count):
        number = ids.some(half.random, "123456789", 1) + ids.some(half.random, ids.DIGITS, 3)
        word = half.pick(half.persons)
        yield half.pick([
            lambda: Row("hard-mrn-short", "error", f"{word} {number} not found", [number], ["not found"]),
            lambda: Row("hard-mrn-short", "props", f"{word}_id={number}", [number]),
            lambda: Row("hard-mrn-short", "url", f"https://{half.pick(half.hosts)}/{word}/{number}/edit", [number], ["/edit"]),
            lambda: Row("hard-mrn-short", "query-allowed", f"{quote(word)}={number}", [number]),
        ])()


def names_labelled(half, count):
    for index in range(count):
        surname, given, patronymic = person(half)
        text = half.pick([f"{surname} {given} {patronymic}", surname, given, f"{given} {surname}", f"{surname} {given[0]}.{patronymic[0]}."])
        if half.random.random() < 0.4:
            text = half.pick([
                f"{latin(given).capitalize()} {latin(surname).capitalize()}", f"{half.pick(half.latin_given).capitalize()} {half.pick(half.latin_surnames).capitalize()}",
                half.pick(half.latin_surnames).capitalize(), f"{latin(surname)} {latin(given)}",
            ])
        gone = [piece for piece in text.split() if len(piece) > 4] or [text]
        yield [query, prop, error, query, prop, path][index % 6](half, text, gone, "name-labelled", NAME_WORDS[half.which::2])


def names_searched(half, count):
    for _ in range(count):
        surname, given, patronymic = person(half)
        text = f"{surname} {given} {patronymic}"
        engine = half.pick(["https://yandex.ru/search/?text={}&lr=213", "https://www.google.com/search?q={}", "https://go.mail.ru/search?q={}&fm=1"])
        yield Row("name-in-search", "referrer", engine.format(quote(text)), [surname, given, patronymic])


def names_patronymic(half, count):
    for index in range(count):
        surname, given, patronymic = person(half)
        slug = half.pick(["{0}-{1}-{2}", "{1}-{2}-{0}", "{0}_{1}_{2}"]).format(latin(surname), latin(given), latin(patronymic)).replace("'", "")
        gone_slug = [latin(patronymic), latin(surname)]
        dative = half.pick([f"{surname} {given} {patronymic}", f"{given} {patronymic} {surname}", f"{given} {patronymic}"])
        gone = [patronymic] + ([given] if len(given) > 3 else []) + ([surname] if surname in dative else [])
        yield half.pick([
            lambda: Row("name-patronymic", "event-name", f"open {dative}", gone, ["open"]),
            lambda: Row("name-patronymic", "title", f"{dative} — личный кабинет", gone, ["личный кабинет"]),
            lambda: Row("name-patronymic", "error", f"Error: no slot for {dative}, try later", gone, ["Error: no slot for", "try later"]),
            lambda: Row("name-patronymic", "props", f"{half.pick(half.free_props)}={dative}", gone),
            lambda: Row("name-patronymic", "url", f"https://{half.pick(half.hosts)}/lk/{slug}", gone_slug, ["/lk"]),
            lambda: Row("name-patronymic", "url", f"https://{half.pick(half.hosts)}/dossier/{quote(dative)}/edit", gone, ["/dossier", "/edit"]),
            lambda: Row("name-patronymic", "query-allowed", f"q={quote(latin(surname).capitalize() + ' ' + latin(given).capitalize() + ' ' + latin(patronymic).capitalize())}", [latin(patronymic).capitalize()]),
        ])()


def names_plain(half, count):
    for _ in range(count):
        surname, given, _ = person(half)
        yield half.pick([
            lambda: Row("hard-name-unlabelled", "event-name", f"open card {given} {surname}", [surname]),
            lambda: Row("hard-name-unlabelled", "url", f"https://{half.pick(half.hosts)}/dossier/{latin(surname)}-{latin(given)}", [latin(surname)], ["/dossier"]),
            lambda: Row("hard-name-unlabelled", "title", f"{surname} {given} | Кабинет", [surname]),
        ])()


def logins(half, count):
    for _ in range(count):
        rng = half.random
        given, surname, nick = half.pick(half.latin_given), half.pick(half.latin_surnames), half.pick(half.nicks)
        login = half.pick([f"{given}.{surname}", f"{given}_{surname}", f"{nick}{rng.randrange(60, 99)}", f"{given[0]}.{surname}", f"{nick}_{nick[::-1][:4]}", f"{given}{surname}{rng.randrange(1, 99)}", f"{surname}{rng.randrange(1950, 2012)}"])
        host, other = half.pick(half.hosts), half.pick(half.other_hosts)
        yield half.pick([
            lambda: Row("username", "url", f"https://{host}/{half.pick(['users', 'u', 'profile', 'user', 'members', 'people', 'author-profile/u'])}/{login}", [login]),
            lambda: Row("username", "url", f"https://{host}/@{login.replace('.', '')}/{half.pick(['posts', 'photos', 'about', ''])}", [login.replace(".", "")]),
            lambda: Row("username", "referrer", f"https://{other}/users/{login}/edit?x=1", [login], ["/users"]),
            lambda: Row("username", "props", f"href=https://t.me/{login.replace('.', '_')}", [login.replace(".", "_")], ["t.me"]),
            lambda: Row("username", "props", f"{half.pick(LOGIN_WORDS)}={login}", [login]),
            lambda: Row("username", "query-allowed", f"{quote(half.pick(LOGIN_WORDS))}={login}", [login]),
            lambda: Row("username", "error", f"user \"{login}\" not found", [login], ["not found"]),
            lambda: Row("username", "error", f'{{"login":"{login}","code":403}}', [login], ['"code":403']),
        ])()


def tokens_after_words(half, count):
    for index in range(count):
        rng = half.random
        token = half.pick([
            ids.some(rng, "abcdefghijklmnopqrstuvwxyz", rng.choice([12, 16, 24])), ids.mixed(rng, ids.BASE62, rng.choice([8, 10, 12, 16])),
            ids.mixed(rng, ids.URL64, 22), ids.some(rng, "abcdefghijklmnopqrstuvwxyz0123456789", 10),
        ])
        word = half.pick(half.token_words)
        host = half.pick(half.hosts)
        yield half.pick([
            lambda: Row("token-path", "url", f"https://{host}/{word}/{token}", tail(token), [f"/{word}"]),
            lambda: Row("token-path", "url", f"https://{host}/lk/{word}/{token}/done", tail(token), ["/lk", "/done"]),
            lambda: Row("token-path", "query-allowed", f"{half.pick(TOKEN_NAMES)}={token}", tail(token)),
            lambda: Row("token-path", "props", f"{half.pick(TOKEN_NAMES)}={token}", tail(token)),
            lambda: Row("token-path", "error", f"GET /api/{word}/{token} 410", tail(token), ["GET", "410"]),
            lambda: Row("token-path", "stack", f"Error{LINE}at https://{host}/{word}/{token}:1:{rng.randrange(9, 99)}", tail(token), [host if host.isascii() else "Error"]),
        ])()


def basic_auth(half, count):
    for _ in range(count):
        secret = ids.mixed(half.random, ids.BASE62, 9)
        login = half.pick(half.latin_given)
        text, where = half.pick([("Failed to fetch https://%s:%s@api.shop.example/v1", "error"), ("next=https://%s:%s@files.clinic.example/a.pdf", "props"), ("WebSocket connection to 'wss://%s:%s@ws.bank.example/' failed", "error"), ("ftp://%s:%s@ftp.school.example/in", "event-name")])
        yield Row("basic-auth", where, text % (login, secret), [secret, f"{login}:"], [text.split("@")[1].split("/")[0].rstrip("'")])


def secrets(half, count):
    for index in range(count):
        secret = half.pick([half.pick(half.nicks) + str(half.random.randrange(10, 9999)), ids.mixed(half.random, ids.BASE62, 10), half.pick(half.nicks).capitalize() + "!"])
        yield [query, prop, error][index % 3](half, secret, [secret], "secret", SECRET_WORDS)


def click_ids(half, count):
    for _ in range(count):
        rng = half.random
        name, value = half.pick([
            ("yclid", ids.some(rng, "123456789", 19)), ("gclid", "Cj0KCQ" + ids.mixed(rng, ids.URL64, 40)), ("fbclid", "IwAR" + ids.mixed(rng, ids.URL64, 50)),
            ("ysclid", "m" + ids.mixed(rng, "abcdefghijklmnopqrstuvwxyz0123456789", 15)), ("msclkid", ids.some(rng, ids.HEX, 32)), ("rb_clickid", ids.some(rng, ids.DIGITS, 12)),
            ("igshid", "MzRlODBiNWFlZA"), ("vk_clickid", ids.mixed(rng, ids.BASE62, 18)),
        ])
        page = half.pick(half.bases)
        yield half.pick([
            lambda: Row("click-id", "url", f"https://{half.pick(half.hosts)}{page}?{name}={value}", [value], [page]),
            lambda: Row("click-id", "referrer", f"https://{half.pick(half.other_hosts)}{page}?a=1&{name}={value}", [value], [page]),
            lambda: Row("click-id", "props", f"landing=https://{half.pick(half.hosts)}{page}?{name}={value}", [value, value[:12]], [page]),
            lambda: Row("click-id", "error", f"GET {page}?{name}={value} 404", [value, value[:12]], ["404"]),
        ])()


def session_ids(half, count):
    for _ in range(count):
        rng = half.random
        php = ids.mixed(rng, "abcdefghijklmnopqrstuvwxyz0123456789", 26)
        java = ids.some(rng, "0123456789ABCDEF", 32)
        node = f"s%3A{ids.mixed(rng, ids.BASE62, 32)}.{ids.mixed(rng, ids.BASE62, 43)}"
        yield half.pick([
            lambda: Row("session-id", "url", f"https://{half.pick(half.hosts)}/page;jsessionid={java}", [java], ["/page"]),
            lambda: Row("session-id", "props", f"PHPSESSID={php}", [php]),
            lambda: Row("session-id", "cookie", php, [php]),
            lambda: Row("session-id", "cookie", node, [node[4:28]]),
            lambda: Row("session-id", "cookie", f"GA1.2.{rng.randrange(10**8, 10**9)}.17{ids.some(rng, ids.DIGITS, 8)}", [f".17"]),
            lambda: Row("session-id", "stack", f"Error{LINE}at https://{half.pick(half.hosts)}/a.js;jsessionid={java}:2:10", [java], ["a.js"]),
            lambda: Row("session-id", "cookie", java.lower(), [java.lower()]),
        ])()


def place(half, digits=6):
    rng = half.random
    return f"{rng.uniform(41, 69):.{digits}f}", f"{rng.uniform(27, 140):.{digits}f}"


def coordinates(half, count):
    for index in range(count):
        lat, lon = place(half, half.pick([4, 5, 6, 7]))
        north, east = half.pick(LAT_WORDS)
        yield half.pick([
            lambda: Row("lat-lon", "url", f"https://{half.pick(half.hosts)}/near/{lat},{lon}", [lat, lon], ["/near"]),
            lambda: Row("lat-lon", "url", f"https://{half.pick(half.hosts)}/map/@{lat},{lon},15z", [lat, lon], ["/map"]),
            lambda: Row("lat-lon", "props", f"{half.pick(['position', 'geo', 'coords', 'comment'])}={lat}, {lon}", [lat, lon]),
            lambda: Row("lat-lon", "query-allowed", f"{half.pick(['ll', 'center', 'll', 'q'])}={lon}%2C{lat}", [lat, lon]),
            lambda: Row("lat-lon", "query-allowed", f"{quote(north)}={lat}&{quote(east)}={lon}", [lat, lon]),
            lambda: Row("lat-lon", "error", f"Geolocation {lat},{lon} outside area", [lat, lon], ["Geolocation", "outside area"]),
            lambda: Row("lat-lon", "error", f'{{"{north}":{lat},"{east}":{lon}}} is not served', [lat, lon], ["is not served"]),
            lambda: Row("lat-lon", "props", f"href=geo:{lat},{lon}", [lat, lon]),
        ])()


def addresses(half, count):
    for index in range(count):
        rng = half.random
        house, flat = rng.randrange(1, 120), rng.randrange(1, 400)
        street = half.pick(half.streets)
        text = half.pick([f"ул. {street}, д. {house}, кв. {flat}", f"улица {street}, дом {house}, квартира {flat}", f"ул {street} {house} кв {flat}", f"г. Тверь, ул. {street}, {house}, кв. {flat}"])
        gone = [street, f"{flat}"]
        latin_street = half.pick(half.latin_streets)
        english = half.pick([f"{house} {latin_street.capitalize()} Street, Apt {flat}", f"{house} {latin_street.capitalize()} Road, Flat {flat}", f"ul. {latin_street.capitalize()}, d. {house}, kv. {flat}"])
        yield half.pick([
            lambda: Row("address", "props", f"{half.pick(half.free_props)}={text}", gone[:1]),
            lambda: Row("address", "error", f"Не удалось доставить: {text}", gone[:1], ["Не удалось доставить"]),
            lambda: Row("address", "query-allowed", f"{half.pick(['address', 'delivery_address', 'addr', quote('адрес')])}={quote(text)}", gone[:1]),
            lambda: Row("address", "props", f"address={english}", [latin_street.capitalize()]),
            lambda: Row("address", "event-name", f"Доставка {text}", gone[:1]),
            lambda: Row("address", "url", f"https://{half.pick(half.hosts)}/courier/ul-{latin_street}-d-{house}-kv-{flat}", [latin_street], ["/courier"]),
            lambda: Row("address", "title", f"Доставка по адресу {text}", gone[:1], ["Доставка"]),
        ])()


def plates(half, count):
    for index in range(count):
        text = ids.plate(half.random)
        spaced = f"{text[0]} {text[1:4]} {text[4:6]} {text[6:]}"
        shown = half.pick([text, spaced, text])
        yield [query, prop, error, title, event_name, path][index % 6](half, shown, [shown], "car-plate")


def labelled_rows(half, kind, count, words, make):
    for index in range(count):
        value, gone = make(half)
        yield NAMED[index % len(NAMED)](half, value, gone, kind, words)


def simple(make):
    def value(half):
        text = make(half.random)
        return text, tail(text)
    return value


def rows(half):
    rng = half.random
    yield from spread(half, "email", 60, email_value)
    yield from spread(half, "email-idn", 16, email_idn)
    yield from emails_encoded(half, 24)
    yield from emails_disguised(half, 24)
    yield from emails_spelt(half, 12)
    yield from emails_base64(half, 20)
    yield from spread(half, "phone-ru", 90, phone_ru)
    yield from spread(half, "phone-region", 24, phone_region)
    yield from spread(half, "phone-intl", 60, phone_intl)
    yield from phones_encoded(half, 24)
    yield from labelled_rows(half, "phone-labelled", 24, PHONE_WORDS, phone_short)
    yield from spread(half, "snils", 30, grouped(ids.snils))
    yield from labelled_rows(half, "snils", 12, SNILS_WORDS, grouped(ids.snils))
    yield from spread(half, "inn12", 26, simple(ids.inn12))
    yield from labelled_rows(half, "inn10-labelled", 22, INN_WORDS, simple(ids.inn10))
    yield from spread(half, "ogrnip", 22, simple(ids.ogrnip))
    passport = lambda r: ((a := ids.some(r, "0123456789", 2)) + (b := f"{r.randrange(0, 26):02}") + (c := ids.some(r, ids.DIGITS, 6)), [a, b, c])
    yield from spread(half, "passport", 30, grouped(passport, rate=0.0))
    yield from labelled_rows(half, "passport", 18, PASSPORT_WORDS, grouped(passport))
    abroad = lambda r: f"{r.choice(['70', '71', '72', '75'])} {ids.some(r, ids.DIGITS, 7)}"
    yield from labelled_rows(half, "passport", 12, PASSPORT_WORDS, simple(abroad))
    yield from spread(half, "oms", 30, grouped(ids.oms))
    policy = lambda r: r.choice([f"{r.choice(['ААК', 'ТТТ', 'ХХХ', 'ААВ'])} {ids.some(r, '123456789', 10)}", f"ДМС-{ids.some(r, ids.DIGITS, 4)}-{ids.some(r, ids.DIGITS, 6)}", f"{r.choice(['SG', 'AV', 'RS'])}{ids.some(r, '123456789', 2)}-{ids.some(r, ids.DIGITS, 7)}"])
    yield from spread(half, "policy-number", 26, simple(policy))
    yield from labelled_rows(half, "policy-number", 18, POLICY_WORDS, simple(lambda r: r.choice([ids.some(r, "123456789", 7), f"{ids.some(r, '123456789', 4)} {ids.some(r, ids.DIGITS, 4)}", f"МС {ids.some(r, '123456789', 6)}"])))
    yield from spread(half, "card", 40, grouped(ids.card))
    yield from labelled_rows(half, "card", 12, CARD_WORDS, grouped(ids.card))
    yield from spread(half, "iban", 26, lambda half: (lambda pair: (pair[0], tail(pair[0])) if half.random.random() < 0.5 else (pair[1], [pair[1], pair[1][-10:]]))(ids.iban(half.random)))
    yield from spread(half, "bank-account", 14, simple(lambda r: r.choice(["40817", "42301", "40802"]) + "810" + ids.some(r, ids.DIGITS, 12)))
    yield from labelled_rows(half, "birthdate", 48, BIRTH_WORDS, birth)
    yield from records(half, 90)
    yield from records_russian(half, 30)
    yield from short_records(half, 20)
    yield from names_labelled(half, 60)
    yield from names_searched(half, 16)
    yield from names_patronymic(half, 60)
    yield from names_plain(half, 16)
    yield from logins(half, 60)
    yield from tokens_after_words(half, 60)
    yield from basic_auth(half, 14)
    yield from secrets(half, 18)
    yield from click_ids(half, 30)
    yield from session_ids(half, 30)
    yield from coordinates(half, 44)
    yield from addresses(half, 40)
    yield from plates(half, 16)
    yield from spread(half, "uuid", 40, simple(lambda r: r.choice([str, str.upper, lambda t: t.replace("-", ""), str])(ids.uuid(r))))
    yield from spread(half, "jwt", 26, simple(ids.jwt))
    yield from spread(half, "hex", 36, simple(lambda r: ids.some(r, ids.HEX, r.choice([16, 24, 32, 40, 64]))))
    yield from spread(half, "base64", 36, simple(lambda r: r.choice([ids.mixed(r, ids.BASE64, 44), ids.mixed(r, ids.URL64, 28), ids.mixed(r, ids.BASE64, 60)])))
    yield from spread(half, "nanoid", 26, simple(lambda r: ids.mixed(r, ids.URL64, 21)))
    yield from spread(half, "ksuid", 18, simple(lambda r: "2" + ids.mixed(r, ids.BASE62, 26)))
    yield from spread(half, "ulid", 20, simple(ids.ulid))
    yield from spread(half, "ipv4", 26, simple(ids.ipv4), places=(error, prop, query, path, referrer, stack, title, event_name))
    yield from spread(half, "ipv6", 22, simple(ids.ipv6), places=(error, prop, query, path, error))
    yield from spread(half, "mac", 14, simple(ids.mac), places=(error, prop, query, event_name))
    yield from labelled_rows(half, "vin", 10, ["vin", "VIN", "car_vin"], simple(ids.vin))
