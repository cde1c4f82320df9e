// Everything here is a convenience: the report is whole without it.
(() => {
  const root = document.documentElement;

  const toggle = document.getElementById("theme");
  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { toggle.textContent = isDark() ? "Light page" : "Dark page"; };
  toggle.hidden = false;
  label();
  toggle.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  });

  const number = (cell) => parseFloat(cell.textContent.replace(/\u2212/g, "-").replace(/,/g, ""));
  const order = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) && Number.isNaN(y)) return a.textContent.localeCompare(b.textContent);
    return Number.isNaN(x) - Number.isNaN(y) || x - y;
  };
  const sort = (table, at, direction) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => direction * order(a.cells[at], b.cells[at]));
    rows.forEach((row, place) => row.classList.toggle("beyond", place >= 50));
    body.append(...rows);
  };
  document.querySelectorAll("table.lanes").forEach((table) => {
    if (table.tBodies[0].rows.length < 5) return;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      if (head.classList.contains("plot")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        sort(table, at, direction);
      });
    });
  });

  document.querySelectorAll(".table.long").forEach((box) => {
    const find = document.createElement("input");
    find.type = "search";
    find.placeholder = "Find by name";
    find.setAttribute("aria-label", "Show only the rows whose name holds this text");
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLocaleLowerCase();
      if (wanted) box.querySelector("details.more").open = true;
      box.querySelectorAll("tbody tr").forEach((row) => {
        row.hidden = !row.querySelector("th").textContent.toLocaleLowerCase().includes(wanted);
      });
    });
    box.prepend(find);
  });
})();
