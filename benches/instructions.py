#!/usr/bin/env python3
"""User-space instructions that a collector executes for a beacon of one event, counted by callgrind.

    benches/instructions.py target/release/footfall [other builds]

Unlike times, these counts hardly depend on what else the machine does: two runs differ by about half a per cent. They
leave out the kernel and waiting for memory. Valgrind has no SHA instructions, so hashing counts for more than it costs.
`callgrind_annotate` shows the functions of each file that the script names. Needs Valgrind.
"""

import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WARM_UP = 300
# Connections, and beacons over all of them.
RUNS = [(1, 2_000), (64, 6_400)]

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
    "POST /b HTTP/1.1\r\nHost: stats.example\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nContent-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\n"
    "Origin: https://clinic.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n"
    "Referer: https://clinic.example/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: ru-RU,ru;q=0.9\r\n"
    "X-Forwarded-For: 198.51.100.{address}\r\nContent-Length: {length}\r\n\r\n{body}"
)
BODY = (
    '{{"v":1,"s":"clinic","l":"{page_load}","o":1,"w":1536,"h":864,"g":"ru-RU","z":"Europe/Moscow","c":1,'
    '"e":[{{"k":"view","a":0,"u":"https://clinic.example/p/{page}"}}]}}'
)


def request(number, generator):
    page_load = "".join(generator.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=11)).replace("0", "1")
    body = BODY.format(page_load=page_load, page=number % 50)
    return REQUEST.format(address=number % 200 + 1, length=len(body), body=body).encode()


def send(connections, beacons, generator):
    """Sends one beacon on each connection, waits for the responses, and repeats."""
    for first in range(0, beacons, len(connections)):
        for offset, connection in enumerate(connections):
            connection.sendall(request(first + offset, generator))
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


def measure(program, count, beacons):
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
        send(connections, WARM_UP, generator)
        instrument(process, "on")
        send(connections, beacons, generator)
        instrument(process, "off")
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    finally:
        process.kill()
    totals = [line for line in profile.read_text(errors="replace").splitlines() if line.startswith("totals:")]
    return int(totals[0].split()[1]) / beacons, profile


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for count, beacons in RUNS:
        for program in sys.argv[1:]:
            instructions, profile = measure(Path(program).resolve(), count, beacons)
            print(f"{program}, {count} connections: {instructions:,.0f} instructions a beacon ({profile})", flush=True)


main()
