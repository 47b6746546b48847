"""Writes the suites that measure browser detection: `make suites`.

The user agents and expected results come from packages under other licences. They are fetched into the cache and never
committed. A suite is a file of tab-separated columns; an empty field is not checked. The suites:

    modern        npm `user-agents`, weighted by frequency; only results on which two independent parsers agree
    recent        Matomo's fixtures of Chrome and Firefox from 110 on and Safari from 16 on
    browsers      Matomo's fixtures of all browsers; none of them is a bot
    brand         Matomo's fixtures of browsers and apps, at most the same number of each family
    hints         Matomo's fixtures with client hints
    bots-matomo   Matomo's fixtures of bots
    crawlers      the examples of npm `crawler-user-agents`
    ai            the AI crawlers among these examples
    libraries     HTTP libraries, from both sources
    automation    browsers under automation, from both sources
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
NPM = pathlib.Path(__file__).parents[2] / "tools" / "npm.mjs"
# The 1.x line is MIT; the 2.x line is AGPL.
UA_PARSER = "ua-parser-js@1"
# Rows of one family at most, so that rare families have weight in the result.
MAX_PER_FAMILY = 120


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("directory", type=pathlib.Path, help="directory of the suites")
    directory = options.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        fixtures = list(matomo_fixtures())
        write_matomo(directory, fixtures)
        write_crawlers(directory, fixtures, scratch)
        write(directory, "modern", modern(scratch))


def write_matomo(directory, fixtures):
    """Writes the suites that use only Matomo's fixtures."""
    browsers = [row(fixture, file, "browser") for file, fixture in fixtures if is_client(fixture, "browser")]
    clients = [row(fixture, file, "brand") for file, fixture in fixtures if is_client(fixture, "browser", "mobile app")]
    bots = [bot(fixture["user_agent"], "bot", source(file)) for file, fixture in fixtures if fixture.get("bot")]
    write(directory, "browsers", browsers)
    write(directory, "recent", [dict(one, group="recent") for one in browsers if is_recent(one["ua"])])
    write(directory, "brand", evenly(one for one in clients if one["family"]))
    write(directory, "bots-matomo", bots)
    write(directory, "hints", hints(fixtures), HINT_COLUMNS)


def write_crawlers(directory, fixtures, scratch):
    """Writes the suites of `crawler-user-agents`, with Matomo's fixtures of the same kinds."""
    package, version = fetch_package("crawler-user-agents", scratch)
    entries = json.loads((package / "crawler-user-agents.json").read_text())
    origin = f"crawler-user-agents@{version}"

    def tagged(group, *tags):
        return [
            bot(instance, group, origin)
            for entry in entries
            if not tags or set(tags) & set(entry["tags"])
            for instance in entry["instances"]
        ]

    # An app on a watch or a television also sends its library's name. It has a device and a person, so it is not a bot.
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
    """Yields today's user agents, each once, with its share of the traffic."""
    package, version = fetch_package("user-agents", scratch)
    shares = {}
    for sample in json.loads((package / "dist" / "user-agents.json").read_text()):
        shares[sample["userAgent"]] = shares.get(sample["userAgent"], 0) + sample["weight"]
    parser, _ = fetch_package(UA_PARSER, scratch)
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
    """Matomo calls a client without a device a desktop if it has a desktop system. The Python port leaves that to its caller."""
    return "desktop" if names.system(parsed.os_name()) in ("Chrome OS", "Linux", "Windows", "macOS") else ""


def matomo_fixtures():
    """Yields Matomo's device-detector fixtures as (file name, fixture), from its Python port."""
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
    """Returns a part of a fixture as a mapping. The fixtures have an empty list for a missing part."""
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


def bot(ua, group, origin):
    return {"ua": ua, "device": "bot", "is_bot": 1, "group": group, "source": origin}


def is_recent(ua):
    for token, least in (("Chrome", 110), ("Firefox", 110), ("Version", 16)):
        version = re.search(rf"\b{token}/(\d+)", ua)
        if version and int(version[1]) >= least and (token != "Version" or "Safari/" in ua):
            return True
    return False


def evenly(rows):
    """Returns at most MAX_PER_FAMILY rows of each family. The choice does not depend on the order of the rows."""
    chosen = {}
    for one in sorted(rows, key=lambda one: zlib.crc32(one["ua"].encode())):
        of_family = chosen.setdefault(one["family"], {})
        if len(of_family) < MAX_PER_FAMILY:
            of_family.setdefault(one["ua"], one)
    return [one for family in sorted(chosen) for one in chosen[family].values()]


def hints(fixtures):
    """Yields the rows of fixtures that have the brands of client hints."""
    for file, fixture in fixtures:
        headers = hint_headers(fixture.get("headers") or {})
        if fixture.get("bot") or not ("sec-ch-ua" in headers or "sec-ch-ua-full-version-list" in headers):
            continue
        answer = row(fixture, file, "hints")
        if "x-requested-with" in headers and not names_browser(answer["family"], fixture, headers):
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


def hint_headers(hints):
    """Returns the headers with names in lower case. Some fixtures have the JavaScript form of client hints instead."""

    def brands(name):
        return ", ".join(f'"{one["brand"]}";v="{one["version"]}"' for one in hints.get(name, []))

    if not isinstance(hints.get("brands", hints.get("fullVersionList")), list):
        return {name.lower().removeprefix("http-"): str(value) for name, value in hints.items()}
    headers = {
        "sec-ch-ua": brands("brands"),
        "sec-ch-ua-full-version-list": brands("fullVersionList"),
        "sec-ch-ua-mobile": "?1" if hints.get("mobile") in (True, 1, "1", "true") else "?0",
    }
    for name, header in (("platform", "platform"), ("platformVersion", "platform-version"), ("model", "model")):
        headers[f"sec-ch-ua-{header}"] = f'"{hints[name]}"' if name in hints else ""
    return headers


def names_browser(family, fixture, headers):
    """Whether the user agent or the hints name the browser. X-Requested-With does not count: a script cannot see it."""
    texts = fixture["user_agent"] + headers.get("sec-ch-ua", "") + headers.get("sec-ch-ua-full-version-list", "")
    return family.replace(" ", "").lower() in texts.replace(" ", "").lower()


def fetch_package(package, scratch):
    """Fetches an npm package and returns the directory of its files and its version."""
    fetched = subprocess.run(["node", NPM, package, scratch], stdout=subprocess.PIPE, check=True, text=True)
    answer = json.loads(fetched.stdout)
    return pathlib.Path(answer["directory"]), answer["version"]


def write(directory, suite, rows, columns=COLUMNS):
    """Writes a suite without duplicate rows."""
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
