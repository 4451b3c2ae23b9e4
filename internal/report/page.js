"use strict";
(() => {
  const all = (q, e = document) => [...e.querySelectorAll(q)];

  // The page's own age: a file opened in the morning must not pass for the present.
  const made = document.getElementById("made"), old = document.getElementById("old");
  const age = () => {
    const s = (Date.now() - Date.parse(made.dateTime)) / 1000;
    old.textContent = s < 600 || !isFinite(s) ? "" : s < 7200 ? `${Math.round(s / 60)} minutes old` : s < 172800 ? `${Math.round(s / 3600)} hours old` : `${Math.round(s / 86400)} days old`;
  };
  if (made) { age(); setInterval(age, 60000); }

  // Sorting: a button in every header of a list.
  const value = (row, i) => {
    const c = row.cells[i], v = c.dataset.v ?? c.textContent.trim(), n = Number(v.replace(/,/g, ""));
    return v !== "" && isFinite(n) ? n : v;
  };
  const order = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  for (const table of all("table.list")) {
    const heads = all("thead th", table), body = table.tBodies[0];
    heads.forEach((th, i) => {
      if ("plain" in th.dataset) return;
      const b = document.createElement("button");
      b.type = "button";
      b.append(...th.childNodes);
      th.append(b);
      b.addEventListener("click", () => {
        const up = th.getAttribute("aria-sort") !== "ascending";
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].map((r) => [value(r, i), r]).sort((x, y) => (up ? 1 : -1) * order(x[0], y[0]));
        body.append(...rows.map((r) => r[1]));
      });
    });
  }

  // Finding: words in a row, or a whole address, which also finds the prefixes around it.
  const address = (s) => {
    let m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(s);
    if (m) return m.slice(1).every((n) => n < 256) ? [32, m.slice(1).reduce((a, n) => a * 256n + BigInt(n), 0n)] : null;
    const parts = s.split("::");
    if (!s.includes(":") || parts.length > 2 || !/^[0-9a-f:]+$/i.test(s)) return null;
    const [h, t] = parts.map((p) => p.split(":").filter(Boolean));
    const fill = 8 - h.length - (t ? t.length : 0);
    if (t ? fill < 1 : fill) return null;
    return [128, [...h, ...Array(fill).fill("0"), ...(t ?? [])].reduce((a, n) => a * 65536n + BigInt("0x" + n), 0n)];
  };
  const within = (ip, prefix) => {
    const [text, len] = prefix.split("/"), net = address(text);
    if (!net || net[0] !== ip[0]) return false;
    const shift = BigInt(net[0] - Number(len));
    return net[1] >> shift === ip[1] >> shift;
  };
  const q = document.getElementById("q"), found = document.getElementById("found");
  if (!q) return;
  q.closest("[hidden]").hidden = false;
  let rows;
  const find = () => {
    rows ??= all("table.list tbody tr").map((tr) => [tr, tr.textContent.toLowerCase(), tr.dataset.p ?? ""]);
    const words = q.value.trim().toLowerCase().split(/\s+/).filter(Boolean).map((w) => [w, address(w)]);
    let n = 0;
    for (const [tr, text, prefix] of rows) {
      const hit = words.every(([w, ip]) => ip && prefix ? within(ip, prefix) : text.includes(w));
      tr.classList.toggle("hide", !hit);
      if (hit) n++;
    }
    found.textContent = words.length ? `${n} of ${rows.length} rows` : "";
  };
  let timer;
  q.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 80); });
  q.addEventListener("keydown", (e) => { if (e.key === "Escape") { q.value = ""; find(); } });
})();
