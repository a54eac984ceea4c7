// Shows times in the reader's zone (UTC in the title), and filters the rows of a table. Everything works without it.
"use strict";
for (const element of document.querySelectorAll("time")) {
  const at = new Date(element.dateTime);
  if (!Number.isNaN(at.getTime())) {
    element.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    element.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
  }
}
const filter = document.querySelector("#filter");
filter?.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("tr[data-name]")) {
    row.hidden = !row.dataset.name.includes(wanted);
  }
});
