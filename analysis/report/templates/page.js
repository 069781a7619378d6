"use strict";
// On paper nothing can be opened.
addEventListener("beforeprint", () => {
  for (const section of document.querySelectorAll("details")) section.open = true;
});
// A small picture opens in full size, with its caption; that of the index is the same one, smaller still.
const full = document.querySelector("dialog");
function opener(figure, image) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "open";
  button.setAttribute("aria-label", `Open ${figure.id} in full size`);
  button.append(image);
  button.addEventListener("click", () => {
    const copy = image.cloneNode();
    copy.style.width = image.dataset.width;
    full.querySelector("div").replaceChildren(copy, figure.querySelector("figcaption").cloneNode(true));
    full.showModal();
  });
  return button;
}
for (const image of document.querySelectorAll(".gallery img")) {
  const figure = image.closest("figure");
  const entry = document.querySelector(`.index a[href="#${CSS.escape(figure.id)}"]`);
  entry.before(opener(figure, image.cloneNode()));
  figure.prepend(opener(figure, image));
}
full.querySelector("button").addEventListener("click", () => full.close());
// Tables sort by the column whose heading is pressed: numbers by value, then the rest by text.
function keyOf(cell) {
  const text = cell.textContent.trim().replace(/\u2212/g, "-");
  const number = /^[<+]?\s*(-?[\d.]+(?:e[-+]?\d+)?)/i.exec(text.replace(/,/g, ""));
  return { text, number: number ? Number(number[1]) : NaN };
}
function compare(a, b) {
  const numeric = [a, b].map((key) => !Number.isNaN(key.number));
  if (numeric[0] && numeric[1]) return a.number - b.number;
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
  return a.text.localeCompare(b.text);
}
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
      rows.sort((a, b) => (down ? -1 : 1) * compare(a.key, b.key));
      body.append(...rows.map(({ row }) => row));
    });
  });
}
