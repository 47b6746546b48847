// A client of W3C WebDriver: what the tests need of it, over `fetch`.

import { setTimeout as sleep } from "node:timers/promises";

/** The name under which WebDriver passes elements (W3C WebDriver, section 12.1). */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** Longest time of one command, ms. */
const MAX_MS = 60_000;

/** One browser. All tests of a file share it; each has a window of its own. */
export class WebDriver {
  #base;
  #stop;

  /** Begins a session with the driver at `origin`; `stop` ends the driver's process. */
  static async begin(origin, capabilities, stop) {
    const driver = new WebDriver();
    driver.#base = origin;
    driver.#stop = stop;
    const end = Date.now() + 30_000;
    for (;;) {
      const ready = await fetch(`${origin}/status`).then((answer) => answer.json(), () => undefined);
      if (ready?.value?.ready) break;
      if (Date.now() > end) throw new Error("the driver is not ready");
      await sleep(50);
    }
    const { sessionId } = await driver.#send("POST", "/session", { capabilities: { alwaysMatch: capabilities } });
    driver.#base = `${origin}/session/${sessionId}`;
    await driver.#send("POST", "/timeouts", { script: 30_000, pageLoad: 30_000, implicit: 0 });
    return driver;
  }

  async #send(method, path, body) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(this.#base + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(MAX_MS) });
    const { value } = await answer.json();
    if (value?.error) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }

  /** Opens an address and waits for its load event. */
  open = (url) => this.#send("POST", "/url", { url });

  /** In Chromium: runs a function in each document that is opened from now on, before its own scripts. */
  beforeScripts = (work) =>
    this.#send("POST", "/goog/cdp/execute", { cmd: "Page.addScriptToEvaluateOnNewDocument", params: { source: `(${work})()` } });

  /** Calls a function in the page. Returns its result, or the value that its promise resolves to. */
  async run(work, ...args) {
    const script = `const done = arguments[arguments.length - 1], args = [].slice.call(arguments, 0, -1);
      Promise.resolve().then(() => (${work}).apply(null, args)).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = await this.#send("POST", "/execute/async", { script, args });
    if (error) throw new Error(error);
    return value;
  }

  /** Clicks in the middle of an element, as a visitor does. Of several selectors each is looked for in the shadow root of the one before. */
  async click(selectors, button = 0) {
    const script = `let root = document, element;
      for (const selector of arguments) root = (element = root.querySelector(selector))?.shadowRoot;
      return element;`;
    const element = await this.#send("POST", "/execute/sync", { script, args: [selectors].flat() });
    if (!element) throw new Error(`no element ${selectors}`);
    await this.#send("POST", "/execute/sync", { script: "arguments[0].scrollIntoView({ block: 'nearest' })", args: [element] });
    await this.act("pointer", [
      { type: "pointerMove", x: 0, y: 0, origin: { [ELEMENT]: element[ELEMENT] } },
      { type: "pointerDown", button },
      { type: "pointerUp", button },
    ]);
  }

  /** Moves the mouse to this point of the window. */
  moveMouse = (x, y) => this.act("pointer", [{ type: "pointerMove", x, y }]);

  /** Performs actions with an input device (W3C WebDriver, section 15). */
  act = (type, actions) => this.#send("POST", "/actions", { actions: [{ type, id: type, actions }] });

  /** Types a text into the element that has the focus. */
  type = (text) => this.act("key", [...text].flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]));

  /** The address and the title of the page. */
  url = () => this.#send("GET", "/url");
  title = () => this.#send("GET", "/title");

  /** The document as HTML; also of a browser that runs no script. */
  source = () => this.#send("GET", "/source");

  /** Runs the body of a function that calls its last argument with the result, and returns that. */
  runBody = (script, ...args) => this.#send("POST", "/execute/async", { script, args });

  /** Chooses the theme that the browser prefers; Chromium alone can change it while it runs. */
  setTheme = (value) => this.#send("POST", "/goog/cdp/execute", { cmd: "Emulation.setEmulatedMedia", params: { features: [{ name: "prefers-color-scheme", value }] } });

  /** Makes the page so large, also smaller than a window can be; Chromium alone. */
  setView = (width, height) => this.#send("POST", "/goog/cdp/execute", { cmd: "Emulation.setDeviceMetricsOverride", params: { width, height, deviceScaleFactor: 1, mobile: width < 500 } });

  /** A picture of the window, as PNG. */
  screenshot = async () => Buffer.from(await this.#send("GET", "/screenshot"), "base64");

  /** Uses the content of a frame from now on; without an argument, that of the window. */
  useFrame = (id = null) => this.#send("POST", "/frame", { id });

  /** Goes back in the history. */
  back = () => this.#send("POST", "/back", {});

  /** Opens a window, and uses it from now on. */
  async openWindow() {
    const { handle } = await this.#send("POST", "/window/new", { type: "window" });
    await this.#send("POST", "/window", { handle });
  }

  /** Closes the window, and uses another one from now on. */
  async closeWindow() {
    const [handle] = await this.#send("DELETE", "/window");
    if (handle) await this.#send("POST", "/window", { handle });
  }

  setSize = (width, height) => this.#send("POST", "/window/rect", { width, height });
  cookies = () => this.#send("GET", "/cookie");
  addCookie = (cookie) => this.#send("POST", "/cookie", { cookie });
  deleteCookies = () => this.#send("DELETE", "/cookie");

  async close() {
    await this.#send("DELETE", "").catch(() => {});
    await this.#stop();
  }
}
