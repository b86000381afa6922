// Filters, copies, and opens what a link leads to. Everything can be read without it.
"use strict";

const filter = document.querySelector("form.filter");
if (filter) {
  const search = filter.querySelector("input");
  const buttons = [...filter.querySelectorAll("button")];
  const said = filter.querySelector("output");
  const entries = [...document.querySelectorAll("[data-find]")];
  const checks = entries.filter((entry) => entry.matches("article"));
  let state = "";

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry) =>
      (!state || entry.dataset.states.split(" ").includes(state)) &&
      words.every((word) => entry.dataset.find.includes(word));
    for (const entry of entries) entry.hidden = !fits(entry);
    for (const suite of document.querySelectorAll("tr.suite")) {
      suite.hidden = [...suite.parentElement.children].every((row) => row === suite || row.hidden);
    }
    const shown = checks.filter((entry) => !entry.hidden).length;
    said.value = state || words.length ? `${shown} of ${checks.length} checks` : "";
  };

  search.addEventListener("input", show);
  filter.addEventListener("submit", (event) => event.preventDefault());
  for (const button of buttons) {
    button.addEventListener("click", () => {
      state = button.dataset.state;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      show();
    });
  }
  filter.hidden = false;
}

for (const command of document.querySelectorAll("pre.command")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = "Copied";
  });
  command.before(button);
}

// A link into something that is filtered away or folded shows it.
const reveal = () => {
  const aim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!aim) return;
  for (let part = aim; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
    part.hidden = false;
  }
  for (const more of aim.querySelectorAll("details.more")) more.open = true;
  aim.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
