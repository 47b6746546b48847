"""Identifiers with right check digits, and random ones."""

import base64
import json
import string
import uuid as uuids

DIGITS = string.digits
HEX = "0123456789abcdef"
BASE62 = string.ascii_letters + DIGITS
BASE64 = BASE62 + "+/"
URL64 = BASE62 + "-_"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def some(rng, letters, count):
    return "".join(rng.choice(letters) for _ in range(count))


def mixed(rng, letters, count):
    """Random, with at least two digits, two capitals and two small letters where the alphabet has them."""
    wants = [kind for kind in (DIGITS, string.ascii_uppercase, string.ascii_lowercase) if set(kind) & set(letters)]
    while True:
        text = some(rng, letters, count)
        if all(sum(letter in kind for letter in text) >= 2 for kind in wants):
            return text


def luhn(digits):
    total = 0
    for index, digit in enumerate(reversed(digits + "0")):
        value = int(digit) * (1 + index % 2)
        total += value - 9 * (value > 9)
    return digits + str(-total % 10)


def card(rng):
    start, length = rng.choice([("4276", 16), ("5469", 16), ("2200", 16), ("4817", 16), ("5536", 16), ("6304", 18), ("3714", 15), ("6764", 19), ("4100", 16)])
    digits = luhn(start + some(rng, DIGITS, length - len(start) - 1))
    if length == 15:
        return digits, [digits[:4], digits[4:10], digits[10:]]
    return digits, [digits[at:at + 4] for at in range(0, length, 4)]


def oms(rng):
    digits = luhn(rng.choice("123456789") + some(rng, DIGITS, 14))
    return digits, [digits[at:at + 4] for at in range(0, 16, 4)]


def snils(rng):
    while True:
        nine = some(rng, DIGITS, 9)
        if nine > "001001998" and len(set(nine)) > 3:
            break
    total = sum(int(digit) * (9 - at) for at, digit in enumerate(nine)) % 101 % 100
    return nine + f"{total:02}", [nine[:3], nine[3:6], nine[6:], f"{total:02}"]


def weighted(digits, weights):
    return str(sum(int(digit) * weight for digit, weight in zip(digits, weights)) % 11 % 10)


def inn10(rng):
    nine = rng.choice(["77", "50", "78", "54", "66", "23"]) + some(rng, DIGITS, 7)
    return nine + weighted(nine, (2, 4, 10, 3, 5, 9, 4, 6, 8))


def inn12(rng):
    ten = rng.choice(["77", "50", "78", "54", "66", "23", "02"]) + some(rng, DIGITS, 8)
    eleven = ten + weighted(ten, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8))
    return eleven + weighted(eleven, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8))


def ogrn(rng):
    twelve = rng.choice("15") + f"{rng.randrange(2, 25):02}" + "77" + some(rng, DIGITS, 7)
    return twelve + str(int(twelve) % 11 % 10)


def ogrnip(rng):
    fourteen = "3" + f"{rng.randrange(4, 26):02}" + "77" + some(rng, DIGITS, 9)
    return fourteen + str(int(fourteen) % 13 % 10)


def ean13(rng):
    twelve = "460" + some(rng, DIGITS, 9)
    return twelve + str(-sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(twelve)) % 10)


def isbn(rng):
    parts = ["978", "5", some(rng, DIGITS, 4), some(rng, DIGITS, 4)]
    twelve = "".join(parts)
    check = str(-sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(twelve)) % 10)
    return twelve + check, "-".join(parts + [check])


def iban(rng):
    country, length = rng.choice([("DE", 18), ("ES", 20), ("FR", 23), ("IT", 23), ("GE", 18), ("TR", 22), ("LT", 16), ("NL", 14), ("GB", 18), ("KZ", 16)])
    account = some(rng, DIGITS, length)
    if country in ("IT", "FR"):
        account = ("X" if country == "IT" else "30") + account[1:length - (country == "FR")]
    if country in ("NL", "GB"):
        account = some(rng, string.ascii_uppercase, 4) + account[4:]
    if country == "GE":
        account = "TB" + account[2:]
    number = "".join(str(int(letter, 36)) for letter in account + country + "00")
    whole = f"{country}{98 - int(number) % 97:02}{account}"
    return whole, " ".join(whole[at:at + 4] for at in range(0, len(whole), 4))


def phone_ru(rng):
    code = rng.choice(["903", "916", "925", "968", "977", "999", "495", "499", "812", "343", "383", "846", "861"])
    while True:
        rest = some(rng, DIGITS, 7)
        if rest[0] not in "01":
            return code, rest


def phone_intl(rng):
    country, groups = rng.choice([
        ("49", (3, 8)), ("44", (2, 4, 4)), ("1", (3, 3, 4)), ("33", (1, 2, 2, 2, 2)), ("375", (2, 3, 2, 2)), ("380", (2, 3, 2, 2)),
        ("998", (2, 3, 2, 2)), ("86", (3, 4, 4)), ("91", (5, 5)), ("34", (3, 3, 3)), ("972", (2, 3, 4)), ("995", (3, 2, 2, 2)),
        ("90", (3, 3, 2, 2)), ("39", (3, 3, 4)), ("48", (3, 3, 3)), ("374", (2, 2, 2, 2)), ("420", (3, 3, 3)), ("358", (2, 3, 4)), ("81", (2, 4, 4)),
    ])
    parts = [some(rng, "23456789", 1) + some(rng, DIGITS, size - 1) for size in groups]
    return country, parts


def uuid(rng):
    return str(uuids.UUID(int=rng.getrandbits(128), version=4))


def jwt(rng):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()
    head = part({"alg": rng.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"})
    return ".".join([head, part({"sub": some(rng, DIGITS, 7), "iat": 1760000000 + rng.randrange(10**6)}), mixed(rng, URL64, 43)])


def in_base64(text, url_safe=False):
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    return encode(text.encode()).decode()


def ulid(rng):
    return "01" + rng.choice("HJK") + mixed(rng, CROCKFORD, 23)


def ipv4(rng):
    return f"{rng.choice([31, 46, 77, 85, 95, 109, 176, 188, 213])}.{rng.randrange(1, 255)}.{rng.randrange(1, 255)}.{rng.randrange(1, 255)}"


def ipv6(rng):
    groups = ["2a02", "6b8"] + [f"{rng.randrange(0x1000, 0xffff):x}" for _ in range(6)]
    return rng.choice([":".join(groups), ":".join(groups[:4]) + "::" + groups[4], "2001:db8:" + groups[3] + "::" + groups[5]])


def mac(rng):
    return rng.choice(":-").join(f"{rng.randrange(256):02x}" for _ in range(6))


def plate(rng):
    letters = "АВЕКМНОРСТУХ"
    return some(rng, letters, 1) + f"{rng.randrange(1, 1000):03}" + some(rng, letters, 2) + rng.choice(["77", "99", "177", "50", "78", "750", "163"])


def vin(rng):
    return rng.choice(["XTA", "Z94", "WDB", "JTN"]) + mixed(rng, "ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 14)
