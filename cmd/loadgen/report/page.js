"use strict";
(() => {
  const main = document.getElementById("main");
  const redraw = [];

  const element = (parent, tag, text, kind) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (kind) e.className = kind;
    parent.append(e);
    return e;
  };
  const number = (v, digits = 0) => v.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const short = v => {
    const a = Math.abs(v);
    if (a >= 1e6) return +(v / 1e6).toPrecision(3) + " M";
    if (a >= 1e3) return +(v / 1e3).toPrecision(3) + " k";
    return String(+v.toPrecision(3));
  };
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

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

  function table(parent, head, rows, best) {
    const t = element(element(parent, "div", undefined, "scroll"), "table");
    const numeric = i => rows.length > 0 && rows.every(r => r[i] === "" || /^[–\d,.\s]+$/.test(r[i]));
    if (head) {
      const tr = element(t, "tr");
      head.forEach((h, i) => element(tr, "th", h, numeric(i) ? "n" : ""));
    }
    rows.forEach((r, k) => {
      const tr = element(t, "tr", undefined, best && best.includes(k) ? "best" : "");
      r.forEach((c, i) => element(tr, !head && i === 0 ? "th" : "td", c, head && numeric(i) ? "n" : ""));
    });
  }

  function figure(parent, title, what) {
    const f = element(parent, "figure");
    const c = element(f, "figcaption", title);
    element(c, "small", what);
    return f;
  }

  // chart draws with uPlot, again whenever colours or width change. o: title, what, x and y labels, names and values of
  // series, and what else uPlot is to know.
  function chart(parent, o) {
    const f = figure(parent, o.title, o.what);
    const box = element(f, "div");
    let plot;
    const draw = () => {
      if (plot) plot.destroy();
      const text = color("--dim"), grid = { stroke: color("--line"), width: 1 };
      const axis = (label, extra) => Object.assign({
        label, stroke: text, grid, ticks: grid, labelSize: 18, labelFont: "12px system-ui", font: "11px system-ui",
      }, extra);
      plot = new uPlot({
        width: Math.max(220, box.clientWidth), height: 240,
        scales: { x: Object.assign({ time: false }, o.xScale), y: Object.assign({ range: (u, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] }, o.yScale) },
        axes: [axis(o.x, o.xAxis), axis(o.y, Object.assign({ size: 58, values: (u, v) => v.map(w => w === null ? "" : short(w)) }, o.yAxis))],
        series: [Object.assign({ label: o.x }, o.xSeries)].concat(o.names.map((label, i) => Object.assign({
          label, stroke: color(["--c1", "--c2", "--c3"][i]), width: 2, dash: i === 1 ? [6, 3] : undefined,
          points: { show: o.values[0].length < 40 }, value: (u, v) => v === null ? "–" : number(v, v < 100 ? 1 : 0),
        }, o.bars ? { fill: color("--c1"), paths: uPlot.paths.bars({ size: [0.7, 80] }), points: { show: false } } : {}))),
        cursor: { drag: { x: false, y: false } },
      }, o.values, box);
    };
    draw();
    redraw.push(draw);
    new ResizeObserver(() => { if (plot && Math.abs(plot.width - box.clientWidth) > 2) plot.setSize({ width: Math.max(220, box.clientWidth), height: 240 }); }).observe(box);
  }

  function bars(parent, title, what, list, unit) {
    const f = figure(parent, title, what);
    const most = Math.max(...list.map(p => p[1]), 1e-9), sum = list.reduce((s, p) => s + p[1], 0) || 1;
    for (const [name, v] of list) {
      const b = element(f, "div", undefined, "bar");
      element(b, "div", name);
      element(element(b, "div"), "i").style.width = Math.max(0.5, 100 * v / most) + "%";
      element(b, "span", number(v, 2) + " " + unit + " · " + Math.round(100 * v / sum) + " %");
    }
  }

  const categories = labels => ({
    xScale: { range: [-0.6, labels.length - 0.4] },
    xAxis: { splits: () => labels.map((_, i) => i), values: () => labels, grid: { show: false } },
    xSeries: { value: (u, v) => v === null ? "–" : labels[v] },
  });

  function node(r) {
    document.getElementById("subtitle").textContent =
      [r.scheme + (r.variant ? " " + r.variant : ""), r.signatures + " acks", r.workers + " workers", "batches of up to " + r.batch_size,
        r.rate_acks_per_s ? r.schedule + " rate from " + number(r.rate_acks_per_s) + " acks/s" : "as fast as the engine takes them"].join(" · ");
    const over = v => v > 0 ? "bad" : "";
    tiles([
      [number(r.acks_per_s), "acks/s taken in"], [number(r.acks_verified_per_s), "acks/s verified, in certificates"],
      [number(r.acks_verified_per_core), "acks verified per core-second"], [number(r.certificates_per_s, 1), "certificates/s"],
      [number(r.latency_ms.p50, 1) + " ms", "p50 latency"], [number(r.latency_ms.p99, 1) + " ms", "p99 latency"],
      [number(r.crypto.us_per_ack, 1) + " µs", "pure cryptography per ack"], [number(r.crypto.share, 2), "of its speed kept, nodes and own acks counted in"],
      [number(r.sends_dropped), "sends dropped", over(r.sends_dropped)], [number(r.conflicts + r.errors), "conflicts and errors", over(r.conflicts + r.errors)],
      [r.ok && !r.unmet.length ? "good" : "not good", r.interrupted ? "outcome; interrupted" : "outcome", r.ok && !r.unmet.length ? "good" : "bad"],
    ]);
    const time = section("Over time", "charts"), s = r.series || [], t = s.map(p => p.t_s), x = "time, s";
    chart(time, { title: "Acks taken in per second", what: "Level is good; a dip is a stall of disk, garbage collection or machine.", x, y: "acks/s", names: ["acks/s"], values: [t, s.map(p => p.acks_per_s)] });
    chart(time, { title: "Queue depth", what: "A queue that grows means more load than the engine can take.", x, y: "messages, statements", names: ["inbox messages", "statements waiting"], values: [t, s.map(p => p.inbox), s.map(p => p.statements_waiting)] });
    chart(time, { title: "Latency over time", what: "From when a quorum of acks was due to its certificate. Peaks should be rare and low.", x, y: "latency, ms", names: ["p50", "p99"], values: [t, s.map(p => p.p50_ms), s.map(p => p.p99_ms)] });
    chart(time, { title: "Processor cores in use", what: "The engine's are what an operator pays; the generator's are not counted anywhere else.", x, y: "cores", names: ["engine", "generator"], values: [t, s.map(p => p.engine_cores), s.map(p => p.generator_cores)] });

    const shape = section("Distributions", "charts");
    const d = (r.latency_distribution || []).filter(p => p.percent < 100);
    if (d.length) chart(shape, {
      title: "Latency by percentile", what: "Each step right is a tenth as many chunks. A knee shows where rare trouble begins.",
      x: "percentile", y: "latency, ms", names: ["latency"], values: [d.map(p => 100 / (100 - p.percent)), d.map(p => p.ms)],
      xScale: { distr: 3 }, xAxis: { splits: () => [1, 10, 100, 1000, 10000], values: (u, v) => v.map(w => +(100 - 100 / w).toFixed(2) + " %") },
      xSeries: { value: (u, v) => v === null ? "–" : +(100 - 100 / v).toFixed(3) + " %" },
    });
    const b = r.batch_sizes || [];
    const used = b.slice(0, b.reduce((last, x, i) => x.count ? i + 1 : last, 0));
    if (used.length) chart(shape, Object.assign({
      title: "Batch sizes", what: "Large batches are cheap per ack and come with load; small ones mean that workers idle.",
      x: "statements in a batch, at most", y: "batches", names: ["batches"], bars: true, values: [used.map((_, i) => i), used.map(p => p.count)],
    }, categories(used.map(p => p.up_to > 1e6 ? "more" : String(p.up_to)))));
    if (r.cpu_parts && r.cpu_parts.length) bars(shape, "Where the engine's CPU time went", "CPU seconds from a profile. Curve arithmetic should dominate; the rest is overhead.",
      r.cpu_parts.map(p => [p.name, p.cpu_s]).sort((a, b) => b[1] - a[1]), "s");
    if (r.phases && r.phases.length > 1) curve(shape, r.phases.map(p => [p.offered_acks_per_s, p.latency_ms.p50, p.latency_ms.p99]));

    const faults = section("Faults and losses");
    table(faults, null, [
      ["Sends dropped", number(r.sends_dropped)], ["Chunks unfinished", number(r.unfinished)], ["Acks proven invalid", number(r.acks_invalid)],
      ["Failed batch checks", number(r.splits)], ["Validators suspect", number(r.suspects)], ["Faults reported", number(r.faults_reported)],
      ["Conflicts", number(r.conflicts)], ["Errors", number(r.errors)], ...r.problems.map(p => ["Problem", p]), ...r.unmet.map(p => ["Required", p]),
    ]);
    if (r.repeats) {
      table(section("Repeats"), ["measure", "least", "median", "most"],
        Object.entries(r.repeats.of).map(([k, v]) => [k, number(v.min, 2), number(v.median, 2), number(v.max, 2)]));
    }
    configuration(r);
  }

  function curve(parent, points) {
    points.sort((a, b) => a[0] - b[0]);
    chart(parent, {
      title: "Latency against load", what: "Run left of where p99 turns upward.", x: "offered load, acks/s", y: "latency, ms", names: ["p50", "p99"],
      values: [points.map(p => p[0]), points.map(p => p[1]), points.map(p => p[2])], xAxis: { values: (u, v) => v.map(short) }, xSeries: { value: (u, v) => v === null ? "–" : number(v) },
    });
  }

  function configuration(r) {
    const skip = new Set(["mode", "machine", "latency_ms", "latency_distribution", "crypto", "cpu_parts", "batch_sizes", "phases", "series", "problems", "unmet", "repeats", "trials"]);
    table(section("All figures and settings"), null, Object.entries(r).filter(([k, v]) => !skip.has(k) && typeof v !== "object").map(([k, v]) => [k, typeof v === "number" && k !== "seed" ? number(v, v % 1 ? 3 : 0) : String(v)]));
    machine(r.machine);
  }

  function machine(m) {
    table(section("Machine"), null, Object.entries(m).map(([k, v]) => [k, String(v)]));
  }

  function sweep(r) {
    document.getElementById("subtitle").textContent = (r.fixed ? "With " + r.fixed + " · " : "") + "p99 bound " + number(r.p99_bound_ms) + " ms" + (r.interrupted ? " · interrupted" : "");
    const good = r.runs.map((run, i) => i).filter(i => r.runs[i].result), value = i => r.runs[i].result;
    if (r.best_throughput >= 0) {
      const f = value(r.best_throughput), w = r.best_within_bound >= 0 ? value(r.best_within_bound) : null;
      tiles([
        [number(f.acks_verified_per_s), "acks/s verified, at most"], [number(f.latency_ms.p99, 1) + " ms", "p99 latency of that"],
        [w ? number(w.acks_verified_per_s) : "none", "acks/s verified, within the bound"], [w ? number(w.latency_ms.p99, 1) + " ms" : "–", "p99 latency of that"],
      ]);
      element(element(section("Flags to use"), "p"), "code", "loadgen node " + r.advice);
    }
    const charts = section("By parameter", "charts");
    (r.axes || []).forEach((a, k) => {
      const of = (v, f) => { const l = good.filter(i => r.runs[i].flags[k] === v).map(f); return l.length ? l : [null]; };
      const best = v => Math.max(...of(v, i => value(i).acks_verified_per_s)), quick = v => Math.min(...of(v, i => value(i).latency_ms.p99));
      const c = categories(a.values);
      chart(charts, Object.assign({ title: "Throughput by --" + a.flag, what: "The best run with each value. Choose the highest bar, unless its latency is too high.", x: "--" + a.flag, y: "acks verified/s", names: ["acks verified/s"], bars: true, values: [a.values.map((_, i) => i), a.values.map(best)] }, c));
      chart(charts, Object.assign({ title: "Latency by --" + a.flag, what: "The lowest p99 of any run with each value. Lower is better.", x: "--" + a.flag, y: "p99 latency, ms", names: ["p99"], bars: true, values: [a.values.map((_, i) => i), a.values.map(quick)] }, c));
    });
    if ((r.axes || []).some(a => a.flag === "rate" || a.flag === "load")) curve(charts, good.map(i => [value(i).rate_acks_per_s, value(i).latency_ms.p50, value(i).latency_ms.p99]));
    table(section("All runs"), (r.axes || []).map(a => a.flag).concat(["acks verified/s", "per core", "certificates/s", "batch", "p50 ms", "p99 ms", "dropped"]),
      r.runs.map(run => run.flags.concat(run.result ? [number(run.result.acks_verified_per_s), number(run.result.acks_verified_per_core), number(run.result.certificates_per_s, 1), number(run.result.batch_mean, 1), number(run.result.latency_ms.p50, 1), number(run.result.latency_ms.p99, 1), number(run.result.sends_dropped)] : [run.error, "", "", "", "", "", ""])),
      [r.best_throughput, r.best_within_bound]);
    machine(r.machine);
  }

  (result.mode === "sweep" ? sweep : node)(result);

  const again = () => redraw.forEach(draw => draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  // Canvases keep their colours on paper, so they are drawn anew for it.
  addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); again(); });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); again(); });
})();
