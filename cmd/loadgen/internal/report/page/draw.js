// Elements, tables and charts, in the colours of the page. What is on it is page.js's to say.

const main = document.getElementById("main");
const redraw = []; // draws every chart again, for other colours

const element = (parent, tag, text, kind) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (kind) e.className = kind;
  parent.append(e);
  return e;
};

const number = (v, digits = 0) => v.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });

// figures writes a number with about three digits that count, as axes and tables of mixed sizes want it.
const figures = (v) => {
  const a = Math.abs(v);
  return number(v, a === 0 || a >= 100 || Number.isInteger(v) ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : 3);
};

const short = (v) => {
  const a = Math.abs(v);
  if (a >= 1e6) return +(v / 1e6).toPrecision(3) + " M";
  if (a >= 1e3) return +(v / 1e3).toPrecision(3) + " k";
  return String(+v.toPrecision(3));
};

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function section(title, kind) {
  element(main, "h2", title);
  return element(main, "section", undefined, kind);
}

function tiles(list) {
  const s = section("Headline", "tiles");
  for (const [value, label, kind] of list) {
    const t = element(s, "div", undefined, "tile");
    element(t, "b", value, kind);
    element(t, "span", label);
  }
}

// table makes one with a head. Columns that hold numbers only are aligned right; best are rows to stand out.
function table(parent, head, rows, best) {
  const t = element(element(parent, "div", undefined, "scroll"), "table");
  const numeric = head.map((_, i) => rows.length > 0 && rows.every((r) => r[i] === "" || /^[–\d,.\s]+$/.test(r[i])));
  const top = element(element(t, "thead"), "tr"),
    body = element(t, "tbody");
  head.forEach((h, i) => element(top, "th", h, numeric[i] ? "n" : ""));
  rows.forEach((r, k) => {
    const tr = element(body, "tr", undefined, best && best.includes(k) ? "best" : "");
    r.forEach((c, i) => element(tr, "td", c, numeric[i] ? "n" : ""));
  });
}

// list makes a card of names and values.
function list(parent, title, rows) {
  const card = element(parent, "div", undefined, "card");
  if (title) element(card, "h3", title);
  const d = element(card, "dl");
  for (const [name, value, kind] of rows) {
    const row = element(d, "div");
    element(row, "dt", name);
    element(row, "dd", value, kind);
  }
}

// command writes a command line that breaks between flags only.
function command(parent, text) {
  const c = element(parent, "code");
  text.split(/ (?=--)/).forEach((flag, i) => {
    if (i) c.append(" ");
    element(c, "span", flag);
  });
}

function figure(parent, title, what) {
  const f = element(parent, "figure");
  const c = element(f, "figcaption", title);
  element(c, "small", what);
  return f;
}

const wholeSteps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((e) => [1, 2, 5].map((m) => m * 10 ** e));

// chart draws with uPlot, again whenever colours or width change. o: title, what there is to see, x and y labels, names
// and values of the series, whole for counts, and what else uPlot is to know.
function chart(parent, o) {
  const f = figure(parent, o.title, o.what);
  const box = element(f, "div");
  const width = () => Math.max(220, box.clientWidth);
  let plot;
  const draw = () => {
    if (plot) plot.destroy();
    const text = color("--dim"),
      grid = { stroke: color("--line"), width: 1 };
    const axis = (label, extra) =>
      Object.assign(
        {
          label,
          stroke: text,
          grid,
          ticks: grid,
          labelSize: 20,
          labelGap: 2,
          labelFont: "12px system-ui",
          font: "12px system-ui",
        },
        extra,
      );
    plot = new uPlot(
      {
        width: width(),
        height: o.height || 240,
        padding: [10, o.right || 14, 0, 0],
        scales: {
          x: Object.assign({ time: false }, o.xScale),
          y: Object.assign(
            { range: (u, lo, hi) => [0, hi > 0 ? Math.max(hi * 1.08, o.whole ? 2 : 0) : o.whole ? 10 : 1] },
            o.yScale,
          ),
        },
        axes: [
          axis(o.x, Object.assign({ size: 34 }, o.xAxis)),
          axis(
            o.y,
            Object.assign(
              o.whole ? { incrs: wholeSteps } : {},
              { size: 54, values: (u, v) => v.map((w) => (w === null ? "" : short(w))) },
              o.yAxis,
            ),
          ),
        ],
        series: [Object.assign({ label: o.x, value: (u, v) => (v === null ? "" : figures(v)) }, o.xSeries)].concat(
          o.names.map((label, i) =>
            Object.assign(
              {
                label,
                stroke: color(["--c1", "--c2", "--c3"][i]),
                width: 2,
                dash: i === 1 ? [6, 3] : undefined,
                points: { show: o.values[0].length < 40, size: 6 },
                value: (u, v) => (v === null || v === undefined ? "" : figures(v)),
              },
              o.bars ? { fill: color("--c1"), paths: uPlot.paths.bars({ size: [0.7, 80] }), points: { show: false } } : {},
              (o.series || [])[i],
            ),
          ),
        ),
        cursor: { drag: { x: false, y: false } },
        hooks: o.hooks,
      },
      o.values,
      box,
    );
  };
  draw();
  redraw.push(draw);
  new ResizeObserver(() => {
    if (plot && Math.abs(plot.width - width()) > 2) plot.setSize({ width: width(), height: o.height || 240 });
  }).observe(box);
}

// bars draws parts of a whole, the largest first.
function bars(parent, title, what, parts, unit) {
  const f = figure(parent, title, what);
  const most = Math.max(...parts.map((p) => p[1]), 1e-9),
    sum = parts.reduce((s, p) => s + p[1], 0) || 1;
  for (const [name, v] of parts.toSorted((a, b) => b[1] - a[1])) {
    const b = element(f, "div", undefined, "bar");
    element(b, "div", name);
    element(element(b, "div"), "i").style.width = Math.max(0.5, (100 * v) / most) + "%";
    element(b, "span", number(v, 2) + " " + unit + " · " + Math.round((100 * v) / sum) + " %");
  }
}

// categories are what a chart over names needs to know. A name may have two lines.
const categories = (labels) => ({
  xScale: { range: [-0.6, labels.length - 0.4] },
  xAxis: {
    splits: () => labels.map((_, i) => i),
    grid: { show: false },
    size: labels.some((l) => l.includes("\n")) ? 48 : 34,
    values: (u) => {
      // as many as there is room for
      const every = Math.ceil(
        (labels.length * 7 * (1 + Math.max(...labels.map((l) => Math.max(...l.split("\n").map((p) => p.length)))))) /
          Math.max(100, u.width - 70),
      );
      return labels.map((l, i) => (i % every ? "" : l));
    },
  },
  xSeries: { value: (u, v) => (v === null ? "" : labels[v].replace("\n", ", ")) },
});

// level draws a horizontal line, such as a bound; the caption says what it is, where no bar is.
const level = (value) => ({
  draw: [
    (u) => {
      const y = u.valToPos(value, "y", true);
      if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) return;
      const c = u.ctx;
      c.save();
      c.strokeStyle = color("--bad");
      c.lineWidth = devicePixelRatio;
      c.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
      c.beginPath();
      c.moveTo(u.bbox.left, y);
      c.lineTo(u.bbox.left + u.bbox.width, y);
      c.stroke();
      c.restore();
    },
  ],
});
