"use strict";
const form = document.querySelector(".filters");
const chosen = (name) => new Set([...form.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value));
const words = (text) => text.trim().split(/\s+/);

function filter() {
  const part = form.elements.part.value, tiers = chosen("tier"), results = chosen("result");
  const shown = (row) => words(row.dataset.tiers).some((t) => tiers.has(t)) && words(row.dataset.results).some((r) => results.has(r));
  let count = 0, total = 0;
  for (const body of document.querySelectorAll(".matrix tbody")) {
    let here = 0;
    for (const row of body.querySelectorAll("tr[data-tiers]")) {
      const show = (!part || body.dataset.part === part) && shown(row);
      row.hidden = !show;
      here += show;
      total += 1;
    }
    body.hidden = !here;
    count += here;
  }
  for (const failure of document.querySelectorAll(".failure"))
    failure.hidden = !((!part || failure.dataset.part === part) && shown(failure));
  form.querySelector("output").textContent = count === total ? `${total} requirements` : `${count} of ${total} requirements`;
}

function openTarget() {
  const failure = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (failure instanceof HTMLDetailsElement) {
    failure.hidden = false;
    failure.open = true;
    failure.scrollIntoView();
  }
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
filter();
openTarget();
