// The browsers that the tests drive, and how each is started.

import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { WebDriver } from "./webdriver.mjs";

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "footfall");
const firstOf = (...paths) => paths.find((path) => path && existsSync(path));

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Starts a program with a home directory of its own. Returns a function that ends it and all that it has started. */
async function run(program, args, env = {}) {
  const home = await mkdtemp(join(tmpdir(), "footfall-browser-"));
  const child = spawn(program, args, { env: { ...process.env, HOME: home, TMPDIR: home, ...env }, stdio: process.env.BROWSER_LOG ? "inherit" : "ignore", detached: true });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const kill = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  process.once("exit", kill);
  return async () => {
    kill();
    await ended;
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** A screen for a browser that needs one. */
async function openScreen() {
  const child = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"], { stdio: ["ignore", "pipe", "ignore"] });
  const number = await new Promise((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(String(text).trim()));
    child.once("exit", () => reject(new Error("Xvfb did not start")));
  });
  return { display: `:${number}`, close: () => child.kill() };
}

const CHROMIUM_ARGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--window-size=1000,700",
];

/** Starts Chromium with these further arguments, in this time zone. */
export async function launchChromium({ args = [], timeZone } = {}) {
  const port = await freePort();
  const stop = await run(chromeDriver, [`--port=${port}`], timeZone && { TZ: timeZone });
  const options = { binary: chromium, args: [...CHROMIUM_ARGS, ...args], excludeSwitches: ["disable-back-forward-cache"] };
  return WebDriver.begin(`http://127.0.0.1:${port}`, { browserName: "chrome", "goog:chromeOptions": options }, stop);
}

/** Starts Firefox with these preferences. */
export async function launchFirefox({ prefs = {} } = {}) {
  const port = await freePort();
  const stop = await run(geckodriver, ["--port", `${port}`, "--websocket-port", `${await freePort()}`]);
  const options = { binary: firefox, args: ["-headless", "--width=1000", "--height=700"], prefs };
  return WebDriver.begin(`http://127.0.0.1:${port}`, { browserName: "firefox", "moz:firefoxOptions": options }, stop);
}

async function launchWebKit() {
  const port = await freePort();
  const screen = await openScreen();
  // The sandbox needs user namespaces, which containers lack; the pages are the tests' own.
  const env = { DISPLAY: screen.display, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", WEBKIT_DISABLE_DMABUF_RENDERER: "1", LIBGL_ALWAYS_SOFTWARE: "1", NO_AT_BRIDGE: "1" };
  const stop = await run(webkitDriver, [`--port=${port}`], env);
  const stopAll = async () => {
    await stop();
    screen.close();
  };
  const options = { binary: miniBrowser, args: ["--automation"] };
  return WebDriver.begin(`http://127.0.0.1:${port}`, { browserName: "MiniBrowser", "webkitgtk:browserOptions": options }, stopAll);
}

const chromium = firstOf(process.env.CHROMIUM, "/usr/bin/chromium");
const chromeDriver = firstOf(process.env.CHROMEDRIVER, "/usr/bin/chromedriver");
const firefox = firstOf(process.env.FIREFOX, "/usr/bin/firefox-esr", "/usr/bin/firefox");
const geckodriver = firstOf(process.env.GECKODRIVER, join(cache, "geckodriver/bin/geckodriver"), "/usr/bin/geckodriver");
const webkitDriver = firstOf(process.env.WEBKIT_DRIVER, "/usr/bin/WebKitWebDriver");
// Its folder has the name of the machine's architecture.
const miniBrowser = firstOf(process.env.MINI_BROWSER, ...readdirSync("/usr/lib").map((folder) => `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`));

const all = [
  { name: "Chromium", launch: launchChromium, isInstalled: chromium && chromeDriver },
  { name: "Firefox", launch: launchFirefox, isInstalled: firefox && geckodriver },
  { name: "WebKitGTK", launch: launchWebKit, isInstalled: webkitDriver && miniBrowser },
];

const chosen = process.env.BROWSERS?.split(",");

/** The browsers that are installed, or those of them that `BROWSERS` names, such as `BROWSERS=Firefox,WebKitGTK`. */
export const browsers = all.filter(({ name, isInstalled }) => isInstalled && (!chosen || chosen.includes(name)));
