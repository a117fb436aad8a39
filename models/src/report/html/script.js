"use strict";
(() => {
  const pages = [...document.querySelectorAll(".page")];
  const links = [...document.querySelectorAll("nav a")];
  const title = document.title;

  // One page at a time: the one that the address names, or the one around the place that it names.
  const show = () => {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const page = (named && named.closest(".page")) || pages[0];
    for (const other of pages) other.hidden = other !== page;
    for (const link of links) {
      if (link.hash === "#" + page.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = page.querySelector("h1").textContent + " – " + title;
    for (let around = named; around; around = around.parentElement) if (around.localName === "details") around.open = true;
    if (named && named !== page) named.scrollIntoView();
    else scrollTo(0, 0);
  };

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const order = (one, other) =>
    typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });

  const sort = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) => (down ? -1 : 1) * order(value(one, column), value(other, column)));
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column, head));
      head.append(button);
    });
    if (table.tBodies[0].rows.length < 8) continue;
    const label = document.createElement("label");
    const input = document.createElement("input");
    const shown = document.createElement("output");
    input.type = "search";
    label.className = "filter";
    label.append("Rows with", input, shown);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      let count = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) count += 1;
      }
      shown.textContent = input.value ? count + " of " + table.tBodies[0].rows.length : "";
    });
    table.parentElement.before(label);
  }

  addEventListener("hashchange", show);
  document.documentElement.dataset.scripted = "";
  show();
})();
