"use strict";
/* Draws the figures in the page's own colors, and makes its tables sort and filter. Without it the
   page still reads: all words and tables are there. */
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const figures = JSON.parse(byId("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let followed = "";

  /* --- figures --- */

  const resolved = (node, css) => {
    if (Array.isArray(node)) return node.map((item) => resolved(item, css));
    if (node && typeof node === "object") {
      return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, resolved(v, css)]));
    }
    const name = typeof node === "string" && /^var\((--[a-z0-9-]+)\)$/.exec(node);
    return name ? css.getPropertyValue(name[1]).trim() : node;
  };

  const framed = (layout, css, narrow) => {
    const color = (name) => css.getPropertyValue(name).trim();
    const axis = {
      gridcolor: color("--grid"), linecolor: color("--line"), tickcolor: color("--line"),
      automargin: true, nticks: narrow ? 5 : 9, tickfont: { color: color("--soft") },
    };
    return {
      ...layout,
      autosize: true,
      margin: { l: 8, r: 18, t: 14, b: 8, ...layout.margin },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("--soft") },
      hoverlabel: {
        bgcolor: color("--card"), bordercolor: color("--line"), align: "left",
        font: { color: color("--ink"), family: getComputedStyle(document.body).fontFamily },
      },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--accent") },
      hoverdistance: 24,
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    };
  };

  /* Two buttons only: some of plotly's own would send the chart to a server. */
  const config = {
    displaylogo: false,
    displayModeBar: true,
    modeBarButtons: [["toImage", "resetScale2d"]],
    plotlyServerURL: "",
    responsive: true,
    showTips: false,
    toImageButtonOptions: { scale: 3 },
  };

  const emphasised = (trace, css) => {
    if (!followed || !trace.meta) return trace;
    if (trace.meta !== followed) return { ...trace, opacity: 0.45 };
    const color = css.getPropertyValue("--ink").trim();
    const marker = trace.marker && { ...trace.marker, color };
    return { ...trace, line: { ...trace.line, color, width: 2.4 }, ...(marker && { marker }) };
  };

  const draw = (figure) => {
    const box = byId(figure.id);
    const css = getComputedStyle(root);
    const data = resolved(figure.data, css).map((trace) => emphasised(trace, css));
    const layout = framed(resolved(figure.layout, css), css, box.clientWidth < 520);
    Plotly.react(box, data, layout, config);
  };

  const drawAll = () => figures.forEach(draw);

  /* Figures below the fold are drawn when they come near: the first ones are there at once. */
  const begin = () => {
    if (!("IntersectionObserver" in window)) return drawAll();
    const waiting = new Map(figures.map((figure) => [figure.id, figure]));
    const watcher = new IntersectionObserver((seen) => {
      for (const one of seen.filter((it) => it.isIntersecting && waiting.has(it.target.id))) {
        draw(waiting.get(one.target.id));
        waiting.delete(one.target.id);
        watcher.unobserve(one.target);
      }
    }, { rootMargin: "600px" });
    figures.forEach((figure) => watcher.observe(byId(figure.id)));
  };

  const recolor = () => figures.filter((f) => byId(f.id).classList.contains("js-plotly-plot")).forEach(draw);

  if (figures.length) {
    const choice = byId("follow");
    choice.disabled = false;
    followed = choice.value; // A page that is loaded again may remember it.
    begin();
    choice.addEventListener("change", () => { followed = choice.value; recolor(); });
  }
  dark.addEventListener("change", recolor);
  const theme = byId("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    recolor();
  });
  let shown;
  addEventListener("beforeprint", () => { shown = root.dataset.theme; root.dataset.theme = "light"; drawAll(); });
  addEventListener("afterprint", () => { if (shown) root.dataset.theme = shown; else delete root.dataset.theme; drawAll(); });

  /* --- tables --- */

  const keyOf = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent;

  const sortBy = (button) => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const number = button.dataset.sort === "number";
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const compare = (a, b) => {
      const [x, y] = [keyOf(a, head.cellIndex), keyOf(b, head.cellIndex)];
      const difference = Number(x) - Number(y);
      if (number && !Number.isNaN(difference)) return difference;
      return x.localeCompare(y, "en", { numeric: true });
    };
    body.append(...[...body.rows].sort((a, b) => down * compare(a, b)));
  };

  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sortBy(button));
  }

  const decisions = byId("decision-table");
  if (decisions) {
    const search = byId("search");
    const boxes = [...document.querySelectorAll("#filters input[type=checkbox]")];
    const filter = () => {
      const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      const wanted = search.value.trim().toLowerCase();
      let count = 0;
      for (const row of decisions.tBodies[0].rows) {
        const fits = kinds.has(row.dataset.kind) && row.textContent.toLowerCase().includes(wanted);
        row.hidden = !fits;
        count += fits ? 1 : 0;
      }
      byId("matches").textContent = `${count} of ${decisions.tBodies[0].rows.length} shown`;
    };
    byId("filters").hidden = false;
    [search, ...boxes].forEach((input) => input.addEventListener("input", filter));
    filter();
  }

  for (const button of document.querySelectorAll(".copy")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
