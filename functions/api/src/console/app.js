// Shows times in the reader's zone (UTC in the title), filters the rows of a table, and updates pages of what is in progress.
"use strict";
for (const element of document.querySelectorAll("time")) {
  const at = new Date(element.dateTime);
  if (!Number.isNaN(at.getTime())) {
    element.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    element.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
  }
}
const filter = document.querySelector("#filter");
if (filter) {
  filter.hidden = false;
  const input = filter.querySelector("input");
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const row of document.querySelectorAll("tr[data-name]")) {
      row.hidden = !row.dataset.name.includes(wanted);
    }
  });
}
const update = document.querySelector("#update");
if (update) {
  update.hidden = false;
  const wanted = update.querySelector("input");
  wanted.checked = sessionStorage.getItem("update") !== "no";
  wanted.addEventListener("change", () => sessionStorage.setItem("update", wanted.checked ? "yes" : "no"));
  // Only while somebody can see it.
  setInterval(() => {
    if (wanted.checked && !document.hidden) {
      location.reload();
    }
  }, Number(update.dataset.seconds) * 1000);
}
