# `make run` starts everything, `make test` tests everything. The other targets are parts of them or for development.

CARGO ?= cargo
PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/footfall
VENV := $(CACHE)/venv
PROMTOOL := $(or $(shell command -v promtool 2>/dev/null),$(CACHE)/promtool/promtool)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: run deb test fuzz bench chaos cluster script lists map suites help fmt lint unit alerts script-test browser-test doc deny screenshots deps-node deps-clients deps-python deps-browser deps-chaos deps-promtool deps-debian deps-nginx deps-shells chaos-test engine geo clean

help:
	@echo "make run     start a demonstration: a collector, a store with a month of invented visitors, a clinic's site"
	@echo "make test    run all checks: format, lints, alert rules, unit, integration, browser and doc tests"
	@echo "make deb     build the Debian package in target"
	@echo "make bench   measure speed and memory; write benches/RESULTS.md"
	@echo "make chaos   inject a thousand kills and other faults under load; write benches/RESULTS.md"
	@echo "make cluster run a ClickHouse cluster with faults under load; needs the program clickhouse and libfaketime"
	@echo "make fuzz    fuzz every parser of untrusted input, FUZZ_SECONDS (60) for each target"
	@echo "make script  rebuild the statistics script after a change to script/src"
	@echo "make screenshots  take pictures of the page of reports, into docs/screenshots"
	@echo "make lists   update the built-in lists of bots and data centres"
	@echo "make map     rebuild the map of the page of reports from Natural Earth"
	@echo "make suites  fetch the user agents that measure browser detection"

# --- run -------------------------------------------------------------------------------------------------------------

run:
	@[ -x target/release/footfall ] || echo "make run: the first build takes 5 to 15 minutes, and about 260 MB are fetched. Later runs take seconds."
	$(CARGO) build --release --locked
	target/release/footfall embedded --install
	target/release/footfall geo install --dir geo
	target/release/footfall demo

# --- test ------------------------------------------------------------------------------------------------------------

test: fmt lint deny alerts engine geo unit chaos-test script-test browser-test doc
	@echo "make test: all parts passed"

fmt:
	$(CARGO) fmt --all --check

# `--all-targets` leaves out the targets with `test = false`, also when they are named beside it.
lint:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --test chaos --test cluster -- -D warnings

# Licences, sources and banned crates. Advisories need a download: `cargo deny check advisories`.
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked
	cargo deny check bans licenses sources

# The alert rules parse, and each one fires only when it should.
alerts: deps-promtool
	$(PROMTOOL) check rules deploy/prometheus/rules.yml
	$(PROMTOOL) test rules deploy/prometheus/rules.test.yml

# The ClickHouse engine and the place files that `make run` also uses.
engine:
	$(CARGO) run --locked -q -- embedded --install

geo:
	$(CARGO) run --locked -q -- geo install --dir geo

unit: engine geo deps-python deps-clients deps-debian deps-nginx deps-promtool deps-shells
	TEST_PYTHON=$(VENV)/bin/python tests/alone.sh $(CARGO) test --locked --workspace

# The short form of `make chaos`.
chaos-test: engine deps-chaos
	$(CARGO) test --locked --test chaos

script-test: deps-node deps-browser
	cd script && npm test
	node --test tools/lists/lists.test.mjs

browser-test: engine deps-node deps-browser
	$(CARGO) build --locked
	cd script && npm run test:browser

# Pictures of the page of reports, for docs/page.md.
screenshots: engine deps-node deps-browser
	$(CARGO) build --locked
	node tests/browser/screenshots.mjs

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --workspace

# --- dependencies of the tests ---------------------------------------------------------------------------------------

deps-node: script/node_modules/.package-lock.json

deps-clients: tests/clients/node_modules/.package-lock.json

tests/clients/node_modules/.package-lock.json: tests/clients/package-lock.json
	cd tests/clients && npm ci

script/node_modules/.package-lock.json: script/package-lock.json
	cd script && npm ci

# WebKitGTK needs a screen. Where a browser cannot be installed, its tests do not run; at least one has to be there.
BROWSER_PACKAGES := chromium chromium-driver firefox-esr webkit2gtk-driver xvfb

deps-browser: $(CACHE)/geckodriver/bin/geckodriver
	@for package in $(BROWSER_PACKAGES); do dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	[ -z "$$missing" ] || { $(SUDO) apt-get update -q; for package in $$missing; do \
		$(SUDO) apt-get install -qy --no-install-recommends $$package || echo "$$package is not installed: the tests of its browser do not run"; done; }

# Debian's Firefox comes without it. A debug build is made in half of the time.
$(CACHE)/geckodriver/bin/geckodriver:
	$(CARGO) install --debug --locked --version 0.37.1 --root $(CACHE)/geckodriver geckodriver

# libfaketime, for faults of the clock. `make chaos` without it, or without the right to mount, skips these faults and says so. `make cluster` needs it.
deps-chaos:
	@[ -n "$$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null)" ] || { $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy --no-install-recommends libfaketime; }

# Only promtool is extracted from Debian's package: installing the package would start a Prometheus server.
deps-promtool:
	@[ -x "$(PROMTOOL)" ] || { $(SUDO) apt-get update -q && mkdir -p $(CACHE)/promtool && cd $(CACHE)/promtool && \
		apt-get download -q prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/promtool > promtool.new && \
		chmod 755 promtool.new && mv promtool.new promtool && rm prometheus_*.deb; }

# Only the program: installing the package would start a server.
deps-nginx:
	@[ -x "$(CACHE)/nginx/nginx" ] || { $(SUDO) apt-get update -q && mkdir -p $(CACHE)/nginx && cd $(CACHE)/nginx && \
		apt-get download -q nginx && dpkg-deb --fsys-tarfile nginx_*.deb | tar -xO ./usr/sbin/nginx > nginx.new && \
		chmod 755 nginx.new && mv nginx.new nginx && rm nginx_*.deb; }

# Shells for which there are completions, and what shows manual pages; an overlay for the Debian 12.
SHELL_PACKAGES := zsh zsh-common fish fish-common libpcre2-32-0 groff-base libuchardet0 libstdc++6

deps-shells:
	@[ -x "$(CACHE)/shells/usr/bin/fish" ] || { $(SUDO) apt-get update -q && rm -rf $(CACHE)/shells.new && \
		mkdir -p $(CACHE)/shells.new && cd $(CACHE)/shells.new && apt-get download -q $(SHELL_PACKAGES) && \
		mkdir -p usr/bin usr/lib && ln -s usr/bin usr/lib . && \
		for package in *.deb; do dpkg-deb --fsys-tarfile $$package | tar -x --keep-directory-symlink || exit 1; done && \
		rm *.deb && mv $(CACHE)/shells.new $(CACHE)/shells; } || \
		echo "shells cannot be had: tests of their completions are skipped"

# A Debian 12 in which the tests of packaging run. Where it cannot be had, or without root, they are skipped and say so.
deps-debian:
	@command -v debootstrap >/dev/null && command -v systemd-nspawn >/dev/null || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -qy --no-install-recommends debootstrap systemd-container; } || \
		echo "debootstrap cannot be had: tests of packaging are skipped"
	@[ "$$(id -u)" != 0 ] || tools/debian-root || true

deps-python: $(VENV)/requirements

$(VENV)/requirements: tests/python/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r $<
	cp $< $@

# The Debian package, in target/.
deb:
	$(CARGO) build --release --locked
	tools/deb/build target/release/footfall target

# --- for development -------------------------------------------------------------------------------------------------

script: deps-node
	cd script && npm run build

# Updates the built-in lists from their packages. Review them with `git diff`, then commit.
lists:
	node tools/lists/refresh.mjs

# Makes the map of the page of reports from Natural Earth.
map:
	cd tools/map && npm ci --no-audit --no-fund && npm run build

# User agents with known answers. Their licences differ from this project's, so they stay in the cache.
suites: deps-python
	$(VENV)/bin/python tests/python/suites.py $(CACHE)/suites

# Needs the nightly toolchain. Findings are in fuzz/artifacts. `cargo +nightly fuzz cmin TARGET` minimizes a corpus.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

fuzz:
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked
	cargo +nightly fuzz build
	@for target in $(FUZZ_TARGETS); do echo "fuzz: $$target"; \
		cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -rss_limit_mb=1500 -malloc_limit_mb=400 -timeout=20 || exit 1; \
	done

bench: engine geo
	$(CARGO) bench --locked

chaos: engine deps-chaos
	$(CARGO) test --release --locked --test chaos -- --kills 1000 --rate 800 --outage 60 --write

# Two shards of two replicas and Keeper. tests/cluster/nodes.rs says how to start them from something else than `clickhouse`.
cluster: engine deps-chaos
	$(CARGO) test --release --locked --test cluster

clean:
	$(CARGO) clean
	rm -rf script/node_modules
