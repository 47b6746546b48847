"""Writes the suites by which the browser stage is measured: `make suites`.

Their user agents and answers come from packages whose licences are not ours, so they are fetched when they are wanted
and kept in the cache, never in the repository. A suite is a file of tab-separated columns; an empty field is not
asserted. Which there are:

    modern        npm `user-agents`, weighted by how often each is seen; answers in which two independent parsers agree
    recent        Matomo's fixtures of Chrome and Firefox from 110 on and Safari from 16 on
    browsers      Matomo's fixtures of all browsers: none of them is a bot
    brand         those of the families that are hard to tell, evenly
    hints         Matomo's fixtures with client hints
    bots-matomo   Matomo's fixtures of bots
    crawlers      the examples of npm `crawler-user-agents`
    ai            those of AI crawlers
    libraries     HTTP libraries and programs of both
    automation    browsers under automation, of both
"""

import argparse
import importlib.metadata
import importlib.resources
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

import yaml
from device_detector import DeviceDetector

import names

COLUMNS = ["ua", "family", "major", "os", "device", "is_bot", "weight", "group", "source"]
HINT_COLUMNS = [
    "ua", "sec_ch_ua", "full_version_list", "mobile", "platform", "platform_version", "model", "form_factors",
    "family", "major", "os", "os_major", "device", "source",
]
# The 1.x line is MIT; the 2.x line is AGPL.
UA_PARSER = "ua-parser-js@1"
# So that the common families do not drown the rare ones.
MOST_OF_A_FAMILY = 120


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("directory", type=pathlib.Path, help="where the suites go")
    directory = options.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        fixtures = list(matomo_fixtures())
        write_matomo(directory, fixtures)
        write_crawlers(directory, fixtures, scratch)
        write(directory, "modern", modern(scratch))


def write_matomo(directory, fixtures):
    """The suites that come from Matomo's fixtures alone."""
    browsers = [row(fixture, file, "browser") for file, fixture in fixtures if is_client(fixture, "browser")]
    clients = [row(fixture, file, "brand") for file, fixture in fixtures if is_client(fixture, "browser", "mobile app")]
    bots = [bot(fixture["user_agent"], "bot", source(file)) for file, fixture in fixtures if fixture.get("bot")]
    write(directory, "browsers", browsers)
    write(directory, "recent", [dict(one, group="recent") for one in browsers if is_recent(one["ua"])])
    write(directory, "brand", evenly(one for one in clients if one["family"]))
    write(directory, "bots-matomo", bots)
    write(directory, "hints", hints(fixtures), HINT_COLUMNS)


def write_crawlers(directory, fixtures, scratch):
    """The suites of `crawler-user-agents`, with what Matomo has of the same kinds."""
    package, version = npm("crawler-user-agents", scratch)
    entries = json.loads((package / "crawler-user-agents.json").read_text())
    told = f"crawler-user-agents@{version}"

    def tagged(group, *tags):
        return [
            bot(instance, group, told)
            for entry in entries
            if not tags or set(tags) & set(entry["tags"])
            for instance in entry["instances"]
        ]

    # An app on a watch or a television goes by its library's name too, but has a device, and somebody who wears it.
    libraries = [
        bot(fixture["user_agent"], "library", source(file))
        for file, fixture in fixtures
        if is_client(fixture, "library") and not part(fixture, "device").get("type")
    ]
    write(directory, "crawlers", tagged("bot"))
    write(directory, "ai", tagged("ai", "ai-crawler"))
    write(directory, "libraries", tagged("library", "http-library") + libraries)
    write(directory, "automation", tagged("automation", "browser-automation"))


def modern(scratch):
    """What is seen today, each user agent once, by its share."""
    package, version = npm("user-agents", scratch)
    shares = {}
    for seen in json.loads((package / "dist" / "user-agents.json").read_text()):
        shares[seen["userAgent"]] = shares.get(seen["userAgent"], 0) + seen["weight"]
    parser, _ = npm(UA_PARSER, scratch)
    second = subprocess.run(
        ["node", pathlib.Path(__file__).with_name("ua_parser.mjs"), parser / "src" / "ua-parser.js"],
        input=json.dumps(list(shares)), capture_output=True, check=True, text=True,
    )
    for (ua, share), other in zip(shares.items(), json.loads(second.stdout)):
        one = DeviceDetector(ua).parse()
        answers = {
            "family": (names.family(one.client_name()), names.family(other["family"])),
            "major": (names.major(one.client_version()), names.major(other["version"])),
            "os": (names.system(one.os_name()), names.system(other["os"])),
            "device": (names.device(one.device_type()) or desktop(one), names.device(other["device"])),
        }
        agreed = {field: mine if mine == theirs else "" for field, (mine, theirs) in answers.items()}
        agreed["major"] = agreed["major"] if agreed["family"] else ""
        yield dict(agreed, ua=ua, is_bot=0, weight=f"{share:.6g}", group="modern", source=f"user-agents@{version}")


def desktop(parsed):
    """Matomo takes what is no other device for a desktop, by its system; the Python port leaves that to its caller."""
    return "desktop" if names.system(parsed.os_name()) in ("Chrome OS", "Linux", "Windows", "macOS") else ""


def matomo_fixtures():
    """Matomo's device-detector fixtures, as its Python port ships them: file name and fixture."""
    directory = importlib.resources.files("device_detector.tests.fixtures.upstream")
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yml"):
            for fixture in yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if fixture.get("user_agent"):
                    yield file.name, fixture


def source(file):
    version = importlib.metadata.version("device_detector")
    return f"matomo:{re.sub('(-[0-9]+)?.yml$', '', file)}@{version}"


def part(fixture, name):
    """A part of a fixture; some are empty lists where there is nothing to tell."""
    value = fixture.get(name)
    return value if isinstance(value, dict) else {}


def is_client(fixture, *types):
    return not fixture.get("bot") and part(fixture, "client").get("type") in types


def row(fixture, file, group):
    client = part(fixture, "client")
    family = names.family(client.get("name"))
    return {
        "ua": fixture["user_agent"],
        "family": family,
        "major": names.major(client.get("version")) if family else "",
        "os": names.system(part(fixture, "os").get("name")),
        "device": names.device(part(fixture, "device").get("type")),
        "is_bot": 0,
        "group": group,
        "source": source(file),
    }


def bot(ua, group, told):
    return {"ua": ua, "device": "bot", "is_bot": 1, "group": group, "source": told}


def is_recent(ua):
    for token, least in (("Chrome", 110), ("Firefox", 110), ("Version", 16)):
        version = re.search(rf"\b{token}/(\d+)", ua)
        if version and int(version[1]) >= least and (token != "Version" or "Safari/" in ua):
            return True
    return False


def evenly(rows):
    """At most so many of each family, the same ones every time, whatever their order."""
    taken = {}
    for one in sorted(rows, key=lambda one: zlib.crc32(one["ua"].encode())):
        of_family = taken.setdefault(one["family"], {})
        if len(of_family) < MOST_OF_A_FAMILY:
            of_family.setdefault(one["ua"], one)
    return [one for family in sorted(taken) for one in taken[family].values()]


def hints(fixtures):
    """Fixtures with the brands of client hints."""
    for file, fixture in fixtures:
        headers = hint_headers(fixture.get("headers") or {})
        if fixture.get("bot") or not ("sec-ch-ua" in headers or "sec-ch-ua-full-version-list" in headers):
            continue
        answer = row(fixture, file, "hints")
        if "x-requested-with" in headers and not is_told(answer["family"], fixture, headers):
            answer.update(family="", major="")
        system = part(fixture, "os")
        has_version = system.get("name") in names.SYSTEMS_WITH_A_VERSION
        yield {
            "ua": fixture["user_agent"],
            "sec_ch_ua": headers.get("sec-ch-ua", ""),
            "full_version_list": headers.get("sec-ch-ua-full-version-list", ""),
            "mobile": headers.get("sec-ch-ua-mobile", ""),
            "platform": headers.get("sec-ch-ua-platform", ""),
            "platform_version": headers.get("sec-ch-ua-platform-version", ""),
            "model": headers.get("sec-ch-ua-model", ""),
            "form_factors": headers.get("sec-ch-ua-form-factors", ""),
            "os_major": names.major(system.get("version")) if has_version else "",
            **{field: answer[field] for field in ("family", "major", "os", "device", "source")},
        }


def hint_headers(told):
    """Headers by name in lower case; some fixtures hold what a script is told instead."""

    def brands(name):
        return ", ".join(f'"{one["brand"]}";v="{one["version"]}"' for one in told.get(name, []))

    if not isinstance(told.get("brands", told.get("fullVersionList")), list):
        return {name.lower().removeprefix("http-"): str(value) for name, value in told.items()}
    headers = {
        "sec-ch-ua": brands("brands"),
        "sec-ch-ua-full-version-list": brands("fullVersionList"),
        "sec-ch-ua-mobile": "?1" if told.get("mobile") in (True, 1, "1", "true") else "?0",
    }
    for name, header in (("platform", "platform"), ("platformVersion", "platform-version"), ("model", "model")):
        headers[f"sec-ch-ua-{header}"] = f'"{told[name]}"' if name in told else ""
    return headers


def is_told(family, fixture, headers):
    """Whether more than an app's header names the browser: a script of a page cannot see that header."""
    told = fixture["user_agent"] + headers.get("sec-ch-ua", "") + headers.get("sec-ch-ua-full-version-list", "")
    return family.replace(" ", "").lower() in told.replace(" ", "").lower()


def npm(package, scratch):
    """Fetches a package by name; where it was unpacked, and its version."""
    packed = subprocess.run(
        ["npm", "pack", package, "--pack-destination", scratch, "--json", "--loglevel=error"],
        stdout=subprocess.PIPE, check=True, text=True,
    )
    [told] = json.loads(packed.stdout)
    unpacked = scratch / told["name"]
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", scratch / told["filename"], "-C", unpacked], check=True)
    return unpacked / "package", told["version"]


def write(directory, suite, rows, columns=COLUMNS):
    """Writes a suite, each of its rows once."""
    lines = {}
    for one in rows:
        line = [str(one.get(column, "")).strip() for column in columns]
        if not any(re.search(r"[\t\r\n]", field) for field in line):
            lines.setdefault("\t".join(line), None)
    path = directory / f"{suite}.tsv"
    path.write_text("\n".join(["\t".join(columns), *lines]) + "\n")
    print(f"{path}: {len(lines)}", file=sys.stderr)


if __name__ == "__main__":
    main()
