// The demonstration clinic's own script: language, the filter of the doctors, the booking, the two failures.

const parameters = new URLSearchParams(location.search);

function speak(language) {
  document.documentElement.lang = language;
  for (const link of document.querySelectorAll('a[href^="/"]')) {
    const address = new URL(link.href);
    address.searchParams.set("lang", language);
    if (!address.pathname.includes(".")) link.href = address.pathname + address.search;
  }
}
speak(parameters.get("lang") || (navigator.language.startsWith("ru") ? "ru" : "en"));
document.querySelector(".switch").addEventListener("click", () =>
  speak(document.documentElement.lang === "ru" ? "en" : "ru"),
);

// The doctors: choosing a speciality changes the address without loading a page.
const chips = [...document.querySelectorAll(".chip")];
function choose() {
  const speciality = location.pathname.split("/")[2];
  for (const chip of chips) {
    if (new URL(chip.href).pathname === location.pathname) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
  for (const doctor of document.querySelectorAll("[data-speciality]")) {
    doctor.hidden = Boolean(speciality) && doctor.dataset.speciality !== speciality;
  }
}
if (chips.length) {
  choose();
  addEventListener("popstate", choose);
  for (const chip of chips) {
    chip.addEventListener("click", (event) => {
      event.preventDefault();
      history.pushState({}, "", chip.href);
      choose();
    });
  }
}

// The booking: an event with what may be known, and nothing of what was typed.
document.querySelector("#booking")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  footfall("booking", { speciality: form.speciality.value, first: form.first.checked });
  form.querySelector(".done").hidden = false;
});

document.querySelector("#throw")?.addEventListener("click", () => {
  throw new Error("the price list of patient 4711 could not be shown");
});
document.querySelector("#reject")?.addEventListener("click", () => {
  Promise.reject(new TypeError("the calendar did not answer maria@example.org"));
});

for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => {
    const out = button.dataset.choice === "out";
    footfall[out ? "optOut" : "optIn"]?.();
    const said = out
      ? { en: "You are not counted any more.", ru: "Вы больше не учитываетесь." }
      : { en: "You are counted again, from the next page on.", ru: "Вы снова учитываетесь, начиная со следующей страницы." };
    for (const place of document.querySelectorAll(".choice")) place.textContent = said[place.closest("[lang]").lang];
  });
}
