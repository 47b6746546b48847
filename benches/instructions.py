#!/usr/bin/env python3
"""User-space instructions that a collector executes for a beacon of one and of ten events, counted by callgrind.

    benches/instructions.py target/release/footfall [other builds]

Unlike times, these counts hardly depend on what else the machine does: two runs differ by about half a per cent. They
leave out the kernel and waiting for memory. Valgrind has no SHA instructions, so SHA-256 is not counted.
`callgrind_annotate` shows the functions of each file that the script names. Needs Valgrind.
"""

import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WARM_UP = 300
# Connections, events in a beacon, and beacons over all connections.
RUNS = [(1, 1, 2_000), (64, 1, 6_400), (64, 10, 1_920)]

CONFIGURATION = """
listen = "127.0.0.1:{0}"
admin = "127.0.0.1:{1}"
reports = "127.0.0.1:{2}"
data = "{3}/data"
key = "{3}/key"
key_on_disk = true
trusted_proxies = ["127.0.0.0/8"]
[store]
url = "http://127.0.0.1:1"
user = "nobody"
[limits]
rate = 0
[[site]]
id = "clinic"
hosts = ["clinic.example"]
query = ["utm_*", "q"]
"""

REQUEST = (
    "POST /b HTTP/1.1\r\nHost: stats.example\r\nsec-ch-ua-platform: \"Windows\"\r\n"
    'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n'
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Safari/537.36\r\nContent-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\n"
    "Origin: https://clinic.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n"
    "Referer: https://clinic.example/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: ru-RU,ru;q=0.9\r\n"
    "X-Forwarded-For: 198.51.100.{address}\r\nContent-Length: {length}\r\n\r\n{body}"
)
BRANDS = [("Chromium", "142"), ("Google Chrome", "142"), ("Not_A Brand", "99")]
HINTS = {
    "brands": [{"brand": name, "version": version} for name, version in BRANDS],
    "fullVersionList": [{"brand": name, "version": f"{version}.0.7444.60"} for name, version in BRANDS],
    "mobile": False, "platform": "Windows", "platformVersion": "15.0.0", "model": "",
}
# Behind the view of a beacon of ten events.
LATER_EVENTS = [
    {"k": "leave", "a": 100, "ms": 5_000, "sd": 80},
    {"k": "ad", "a": 90, "n": "impression", "ad": "spring-checkup", "slot": "top"},
    {"k": "event", "a": 80, "n": "booking", "p": {"specialty": "cardiology", "step": 2}},
    {"k": "vitals", "a": 70, "lcp": 1_500, "inp": 80, "cls": 0.03, "fcp": 900, "ttfb": 120},
    {"k": "outbound", "a": 60, "n": "https://maps.example/route?to=clinic"},
    {"k": "error", "a": 50, "m": "Uncaught TypeError: Cannot read properties of undefined (reading 'slot')",
     "f": "https://clinic.example/assets/booking.js", "ln": 300, "col": 20},
    {"k": "ad", "a": 40, "n": "viewable", "ad": "spring-checkup", "slot": "top"},
    {"k": "leave", "a": 30, "ms": 700, "sd": 90},
    {"k": "view", "a": 20},
]


def request(number, events, generator):
    page_load = "".join(generator.choices("123456789abcdefghijklmnopqrstuvwxyz", k=11))
    view = {"k": "view", "a": 0, "u": f"https://clinic.example/p/{number % 50}", "r": "https://search.example/"}
    beacon = {"v": 1, "s": "clinic", "l": page_load, "o": 1, "w": 1536, "h": 864, "g": "ru-RU", "z": "Europe/Moscow",
              "c": 1, "ch": HINTS, "e": [view, *LATER_EVENTS][:events]}
    body = json.dumps(beacon, separators=(",", ":"))
    return REQUEST.format(address=number % 200 + 1, length=len(body), body=body).encode()


def send(connections, events, beacons, generator):
    """Sends one beacon on each connection, waits for the responses, and repeats."""
    for first in range(0, beacons, len(connections)):
        for offset, connection in enumerate(connections):
            connection.sendall(request(first + offset, events, generator))
        for connection in connections:
            response = connection.recv(4096)
            assert response.startswith(b"HTTP/1.1 204"), response


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def connect(port, log):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            time.sleep(0.2)
    sys.exit(f"the collector does not listen:\n{log.read_text()}")


def instrument(process, state):
    command = ["callgrind_control", "-i", state, str(process.pid)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)


def measure(program, count, events, beacons):
    directory = Path(tempfile.mkdtemp(prefix="instructions-"))
    ports = [free_port() for _ in range(3)]
    (directory / "footfall.toml").write_text(CONFIGURATION.format(*ports, directory))
    log, profile = directory / "log", directory / "callgrind.out"
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={profile}"]
    command += [program, "serve", "--config", directory / "footfall.toml"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    try:
        connections = [connect(ports[0], log) for _ in range(count)]
        generator = random.Random(1)
        send(connections, events, WARM_UP, generator)
        instrument(process, "on")
        send(connections, events, beacons, generator)
        instrument(process, "off")
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    finally:
        process.kill()
    totals = [line for line in profile.read_text(errors="replace").splitlines() if line.startswith("totals:")]
    return (int(totals[0].split()[1]) - hashing(profile)) / beacons, profile


def hashing(profile):
    """Instructions of SHA-256 in software."""
    command = ["callgrind_annotate", "--inclusive=yes", "--auto=no", "--threshold=100", profile]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts = re.findall(r"^ *([\d,]+) .*:sha2::sha256::compress256(?: \[.*)?$", table, re.MULTILINE)
    return max((int(count.replace(",", "")) for count in counts), default=0)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for count, events, beacons in RUNS:
        for program in sys.argv[1:]:
            instructions, profile = measure(Path(program).resolve(), count, events, beacons)
            case = f"{program}, {count} connections, {events} events"
            print(f"{case}: {instructions:,.0f} instructions a beacon ({profile})", flush=True)


main()
