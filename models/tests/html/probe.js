"use strict";
// Uses the page as a reader does, and notes on the body what came of it.
(async () => {
  const found = {};
  const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
  const visible = () => [...document.querySelectorAll(".page")].filter((page) => !page.hidden).map((page) => page.id);
  found.pages_at_first = visible();

  const links = [...document.querySelectorAll("nav a")];
  found.links = links.length;
  found.not_shown = [];
  for (const link of links) {
    link.click();
    await turn();
    const shown = visible();
    const is_current = link.getAttribute("aria-current") === "page" || link.hash === "#overview";
    if (shown.length !== 1 || "#" + shown[0] !== link.hash || !is_current) found.not_shown.push(link.hash);
  }
  found.lost = [...document.querySelectorAll("a")]
    .filter((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))) === null)
    .map((link) => link.outerHTML);

  const table = document.querySelector("#mutex tr.ledger").closest("table");
  const heads = [...table.tHead.rows[0].cells];
  const column = (name) => heads.findIndex((head) => head.textContent.startsWith(name));
  const cells = (name) => [...table.tBodies[0].rows].map((row) => row.cells[column(name)]);
  const executions = () => cells("executions").map((cell) => Number(cell.dataset.value));
  const rises = (values) => values.every((value, index) => index === 0 || values[index - 1] <= value);
  const press = (name) => heads[column(name)].querySelector("button").click();
  found.rows_unsorted = table.tBodies[0].rows.length;
  const was_sorted = rises(executions());
  press("executions");
  found.sorted_up = !was_sorted && rises(executions()) && heads[column("executions")].getAttribute("aria-sort") === "ascending";
  press("executions");
  found.sorted_down = rises(executions().reverse()) && new Set(executions()).size > 1;
  press("engine");
  found.sorted_by_text = rises(cells("engine").map((cell) => cell.textContent));
  found.rows_sorted = table.tBodies[0].rows.length;

  const input = table.parentElement.previousElementSibling.querySelector("input");
  input.value = "heir treadle";
  input.dispatchEvent(new Event("input"));
  const left = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  found.filtered = left.length > 0 && left.length < found.rows_sorted && left.every((row) => /heir/.test(row.textContent) && /treadle/.test(row.textContent));

  const execution = document.querySelector("td.killed > a[href^='#counterexample-']");
  execution.click();
  await turn();
  const picture = document.getElementById(execution.hash.slice(1));
  found.opened = picture.closest("details").open && !picture.closest(".page").hidden && picture.querySelector("svg.lanes").getBoundingClientRect().height > 0;

  found.ledger = document.querySelectorAll("tr.ledger").length;
  document.body.dataset.probe = JSON.stringify(found);
})();
