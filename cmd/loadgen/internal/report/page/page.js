// What is on the page, from the constant result. Keys are those of the JSON result.

const measureNames = {
  acks_per_s: "acks taken in, 1/s",
  acks_verified_per_s: "acks verified, in certificates, 1/s",
  acks_verified_per_core: "acks verified per core, 1/s",
  certificates_per_s: "certificates, 1/s",
  certificates_per_core: "certificates per core, 1/s",
  cpu_us_per_certificate: "CPU time per certificate, µs",
  messages_per_certificate: "messages sent per certificate",
  p50: "p50 latency, ms",
  p90: "p90 latency, ms",
  p99: "p99 latency, ms",
  p999: "p99.9 latency, ms",
  max: "longest latency, ms",
  share_of_crypto: "share of pure cryptography's speed kept",
  sends_dropped: "sends dropped",
  dropped: "messages dropped",
  kills: "kills",
  network_bytes: "bytes on the wire",
  unfinished: "chunks unfinished at the end",
  offered_acks_per_s: "acks offered, 1/s",
  taken_in_acks_per_s: "acks taken in of those offered, 1/s",
  offered_per_s: "chunks due, 1/s",
  served_per_s: "chunks certified here, 1/s",
  errors: "errors",
  certified_mb_per_s: "bodies certified, MB/s",
  delivered_mb_per_s: "bodies delivered everywhere, MB/s",
  cpu_s_per_mb: "CPU time per MB delivered everywhere, s",
  delivery_p50: "p50 from body to delivery, ms",
  delivery_p90: "p90 from body to delivery, ms",
  delivery_p99: "p99 from body to delivery, ms",
  delivery_max: "longest from body to delivery, ms",
};
const ms = (v) => number(v, v < 100 ? 1 : 0) + " ms";
const percent = (v) => +(100 * v).toFixed(1) + " %";
const share = (n, of) => (of ? percent(n / of) : "none");
const over = (v) => (v > 0 ? "bad" : "");
const mb = (bytes) => number(bytes / 1e6, bytes < 1e8 ? 1 : 0) + " MB";
const rate = (v) => number(v, 1) + " MB/s";
// size is a length as --payload-size takes it.
const size = (n) => {
  const [unit, of] = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]].find(([, of]) => n >= of && n % of === 0) || ["bytes", 1];
  return number(n / of) + " " + unit;
};
const plural = (n, thing) => number(n) + " " + thing + (n === 1 ? "" : thing.endsWith("s") ? "es" : "s");

function head(subtitle, sentence, r) {
  document.getElementById("subtitle").textContent = subtitle.filter(Boolean).join(" · ");
  document.getElementById("lead").textContent = sentence;
  const day = new Date(r.time).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  document.getElementById("when").textContent = day + " UTC" + (r.interrupted ? " · interrupted: of what ran until then" : "") +
    (r.environment.busy ? " · the machine was busy with other things" : "");
}

// pace says how a node was fed.
const pace = (r) =>
  r.schedule === "closed"
    ? "as fast as it takes them"
    : (r.schedule === "constant" ? "at " : r.schedule === "step" ? "in steps from " : "in a ramp from ") +
      number(r.rate_acks_per_s) +
      (r.schedule === "constant" ? "" : " to " + number(r.rate_to_acks_per_s)) +
      " acks/s" +
      (r.load ? ", " + percent(r.load) + " of saturation" : "") +
      (r.find_max_p99_ms && r.stage === "run" ? ", the highest rate found with p99 within " + ms(r.find_max_p99_ms) : "");

function run(r) {
  const cluster = r.mode === "cluster",
    bodies = r.payload_bytes > 0,
    latency = ms(r.latency_ms.p50) + ", 99 % within " + ms(r.latency_ms.p99);
  const algorithm = [
    r.scheme + (r.variant ? " " + r.variant : ""),
    r.signatures + " acks" + (r.acks === "all" ? "" : " to the " + r.acks),
    r.weights === "equal" ? "" : "weights " + r.weights,
    plural(r.workers, "worker") + (cluster ? " per engine" : ""),
    "batches of up to " + r.batch_size,
  ];
  if (bodies) {
    head(
      [
        ...algorithm,
        "bodies of " + size(r.payload_bytes),
        r.bodies_rate_per_lane ? +r.bodies_rate_per_lane.toFixed(2) + " a second and lane" : "as fast as lanes take them",
        r.followers ? plural(r.followers.count, "follower") : "",
      ],
      `${plural(r.validators, "validator")} certified ${rate(r.certified_mb_per_s)} of bodies on ${plural(r.sequencers, "lane")} and delivered ${rate(r.delivered_mb_per_s)} everywhere: half of them within ${ms(r.delivery_ms.p50)} of their making, and 99 % within ${ms(r.delivery_ms.p99)}.` +
        (r.shortfall ? ` That was more than it could take: ${r.shortfall}.` : ""),
      r,
    );
  } else if (cluster) {
    head(
      [
        ...algorithm,
        r.link_latency_ms ? "links of " + ms(r.link_latency_ms) : "",
        r.link_jitter_ms ? "up to " + ms(r.link_jitter_ms) + " more" : "",
        r.link_bandwidth_mbit_per_s ? number(r.link_bandwidth_mbit_per_s) + " Mbit/s out of each member" : "",
        r.link_loss ? percent(r.link_loss) + " of messages lost" : "",
      ],
      (r.processes ? `In ${plural(r.processes, "process")}${r.hosts > 1 ? " on " + plural(r.hosts, "machine") : ""}, ` : "") +
      `${plural(r.validators, "validator")} certified ${number(r.certificates_per_s, 1)} chunks a second on ${plural(r.sequencers, "lane")}: half of them within ${latency}.`,
      r,
    );
  } else {
    head(
      algorithm,
      `Fed ${pace(r)}, the node ` +
        (r.acks === "all"
          ? `verified ${number(r.acks_verified_per_s)} acks a second and made ${number(r.certificates_per_s, 1)} certificates of them`
          : `made or verified ${number(r.certificates_per_s, 1)} certificates a second, of ${number(r.acks_verified_per_s)} acks`) +
        `: half within ${latency}.` +
        (r.shortfall ? ` That was more than it could take: ${r.shortfall}.` : ""),
      r,
    );
  }
  headline(r, cluster);
  if (bodies) bodiesOverTime(r);
  overTime(r, cluster);
  if (bodies) bodiesInAll(r);
  distributions(r, cluster);
  if (r.processes) members(r);
  rates(r);
  faults(r, cluster);
  if (r.repeats) {
    table(
      section(`Spread of ${r.repeats.n} runs`),
      ["measure", "least", "median", "most"],
      Object.entries(r.repeats.of).map(([k, v]) => [measureNames[k] || k, figures(v.min), figures(v.median), figures(v.max)]),
    );
  }
  settings(r, cluster);
}

function headline(r, cluster) {
  const good = r.outcome === "good";
  const wrong = r.conflicts + r.errors,
    words = { good: "good", overload: "overload", unmet: "requirement unmet", interrupted: "interrupted", failed: "failed" },
    outcome = [words[r.outcome] || "not good", r.interrupted ? "outcome; interrupted" : "outcome", good ? "good" : "bad"];
  const shared = [
    [number(r.certificates_per_s, 1), cluster ? "chunks certified per second" : "certificates per second"],
    [ms(r.latency_ms.p50), r.payload_bytes ? "p50 from body to certificate" : "p50 latency"],
    [ms(r.latency_ms.p99), r.payload_bytes ? "p99 from body to certificate" : "p99 latency"],
  ];
  tiles(
    cluster
      ? [
          outcome,
          ...(r.payload_bytes
            ? [
                [rate(r.certified_mb_per_s), "bodies certified"],
                [rate(r.delivered_mb_per_s), "bodies delivered everywhere"],
                [ms(r.delivery_ms.p50), "p50 from body to delivery"],
                [ms(r.delivery_ms.p99), "p99 from body to delivery"],
                [number(1000 * r.cpu_s_per_mb, 1) + " ms", "CPU time per MB delivered everywhere"],
              ]
            : []),
          ...shared,
          [number(r.acks_per_s), "acks per second, at all engines"],
          [number(r.cpu_us_per_certificate) + " µs", "CPU time per certificate"],
          [number(r.max_rss_bytes / 1048576) + " MiB", r.processes ? "memory at most, of all processes" : "memory at most"],
          ...(r.processes ? [[number(r.network_bytes / 1e6 / Math.max(r.duration_s, 0.001), 2) + " MB/s", "on the wire, sent by all"]] : []),
          ...(r.kills ? [[number(r.kills), "kills"], [ms(r.restart_ms.p50), "p50 from a kill to a process with a quorum"]] : []),
          [number(r.certificates_verified), "certificates verified again"],
          [number(wrong), "conflicts and errors", over(wrong)],
        ]
      : [
          outcome,
          ...(r.schedule === "closed"
            ? [[number(r.acks_per_s), "acks taken in per second"]]
            : [
                [number(r.offered_acks_per_s), "acks offered per second"],
                [number(r.taken_in_acks_per_s), "of these taken in", r.outcome === "overload" ? "bad" : ""],
                [share(r.chunks_certified_here, r.chunks_due), "of the chunks due certified here", r.outcome === "overload" ? "bad" : ""],
              ]),
          [number(r.acks_verified_per_s), "acks verified per second, in certificates"],
          [number(r.acks_verified_per_core), "acks verified per second and core"],
          ...shared,
          [number(r.crypto.us_per_ack, 1) + " µs", "pure cryptography per ack"],
          [percent(r.crypto.share), "of its speed kept, nodes and own acks counted in"],
          [number(r.sends_dropped), "sends dropped", over(r.sends_dropped)],
          [number(wrong), "conflicts and errors", over(wrong)],
        ],
  );
}

function overTime(r, cluster) {
  const s = r.series || [],
    t = s.map((p) => p.t_s),
    x = "time, s";
  if (!s.length) return;
  const to = section("Over time", "charts"),
    of = (key) => s.map((p) => p[key]);
  chart(to, {
    title: "Acks taken in per second",
    what: "Level is good; a dip is a stall of disk, garbage collection or machine.",
    x,
    y: "acks/s",
    names: ["acks/s"],
    values: [t, of("acks_per_s")],
  });
  chart(to, {
    title: "Certificates per second",
    what: "What the acks come to. If it falls while acks do not, they are for nothing.",
    x,
    y: "certificates/s",
    names: ["certificates/s"],
    values: [t, of("certificates_per_s")],
  });
  chart(to, {
    title: "Queue depth",
    what: "A queue that grows means more load than " + (cluster ? "the engines" : "the engine") + " can take.",
    x,
    y: "messages, statements",
    whole: true,
    names: ["messages in the inbox", "statements waiting for a worker"],
    values: [t, of("inbox"), of("statements_waiting")],
  });
  chart(to, {
    title: "Latency over time",
    what: r.payload_bytes
      ? "From when a body was made, at a rate from when it was due, to its certificate at its sequencer."
      : cluster
      ? "From a chunk's proposal to its certificate. Peaks should be rare and low."
      : "From when a quorum of acks or the certificate was due to the lock. Peaks should be rare and low.",
    x,
    y: "latency, ms",
    names: ["p50", "p99"],
    values: [t, of("p50_ms"), of("p99_ms")],
  });
  chart(
    to,
    cluster
      ? {
          title: "Processor cores in use",
          what: r.payload_bytes
            ? "By all members, with TLS and loopback; making and checking bodies is apart."
            : r.processes
            ? "By the processes of all members together."
            : "By all engines, the simulated network and this tool together.",
          x,
          y: "cores",
          names: r.payload_bytes ? ["members", "bodies made and checked"] : ["cores"],
          values: [t, of("engine_cores"), ...(r.payload_bytes ? [of("generator_cores")] : [])],
        }
      : {
          title: "Processor cores in use",
          what: "The engine's are what an operator pays; the generator's are in no other figure.",
          x,
          y: "cores",
          names: ["engine", "generator"],
          values: [t, of("engine_cores"), of("generator_cores")],
        },
  );
  if (s.some((p) => p.sends_dropped))
    chart(to, {
      title: cluster ? "Messages dropped" : "Sends dropped",
      what: "Anything here is overload: a queue was full.",
      x,
      y: "messages",
      whole: true,
      names: ["dropped"],
      values: [t, of("sends_dropped")],
    });
}

// bodiesOverTime draws what members did with bodies. A point without one of these was 0 there.
function bodiesOverTime(r) {
  const s = r.series || [],
    t = s.map((p) => p.t_s),
    x = "time, s",
    of = (key) => s.map((p) => p[key] || 0);
  if (!s.length) return;
  const to = section("Bodies over time", "charts");
  chart(to, {
    title: "Bodies per second",
    what: "What falls below certification is delivered later, or not yet at the slowest member.",
    x,
    y: "MB/s",
    names: ["certified", "delivered everywhere"],
    values: [t, of("certified_mb_per_s"), of("delivered_mb_per_s")],
  });
  chart(to, {
    title: "From body to delivery, over time",
    what: "From when a body was made, at a rate from when it was due, to each delivery.",
    x,
    y: "latency, ms",
    names: ["p50", "p99"],
    values: [t, of("delivery_p50_ms"), of("delivery_p99_ms")],
  });
  if (s.some((p) => p.chunks_behind))
    chart(to, {
      title: "Chunks behind",
      what: r.away ? "Of the member that is away, and of followers. It falls to the level of the others." : "Of the follower that lacks most. Level is good.",
      x,
      y: "chunks",
      whole: true,
      names: ["behind"],
      values: [t, of("chunks_behind")],
    });
}

function bodiesInAll(r) {
  const to = section("Bodies in all", "cards"),
    d = r.delivery_ms;
  list(to, "Bodies", [
    ["Length", size(r.payload_bytes)],
    ["Made", number(r.bodies_made) + (r.bodies_due ? " of " + number(r.bodies_due) + " due" : "")],
    ["Certified", rate(r.certified_mb_per_s)],
    ["Delivered everywhere", rate(r.delivered_mb_per_s)],
    ["Delivered at all members together", rate(r.delivered_sum_mb_per_s)],
    ["Delivery p50 · p90", ms(d.p50) + " · " + ms(d.p90)],
    ["Delivery p99 · p99.9", ms(d.p99) + " · " + ms(r.delivery_p999_ms)],
    ["Longest", ms(d.max)],
    ["Deliveries that these are of", number(r.delivery_samples)],
    ["Deliveries compared", number(r.deliveries_compared)],
    ["Delivered again after a restart", number(r.deliveries_repeated)],
  ]);
  list(to, "What they cost", [
    ["CPU time per MB", number(1000 * r.cpu_s_per_mb, 1) + " ms"],
    ["CPU time of making bodies", number(r.making_cpu_s, 2) + " s more"],
    ["CPU time of checking them", number(r.checking_cpu_s, 2) + " s more"],
    ["Bodies that had to be fetched", number(r.fetched_bodies)],
    ["Pushes dropped", number(r.pushes_dropped)],
    ["Archives on disk", mb(r.archive_disk_bytes)],
    ["Bodies in them", mb(r.archive_body_bytes)],
  ]);
  const f = r.followers;
  if (f)
    list(to, "Followers", [
      ["Number", number(f.count)],
      ["Delivered at each, at least", rate(f.delivered_mb_per_s)],
      ["Delivery p50 · p99", ms(f.delivery_ms.p50) + " · " + ms(f.delivery_ms.p99)],
      ["Chunks behind, on average", number(f.mean_chunks_behind, 1)],
      ["Chunks behind, at most", number(f.most_chunks_behind)],
    ]);
  const a = r.away;
  if (a)
    list(to, "Away", [
      ["Who", "member " + a.member + (a.killed ? ", killed" : ", ended")],
      ["Away after", number(a.left_after_s, 1) + " s"],
      ["Away for", number(a.away_s, 1) + " s"],
      ["Chunks missed", number(a.missed)],
      ["Level after its return in", a.level_s ? number(a.level_s, 2) + " s" : "never", a.level_s ? "" : "bad"],
      ["Fetched meanwhile", rate(a.fetched_mb_per_s)],
      ["Its heap at most", a.heap_peak_bytes ? number(a.heap_peak_bytes / 1048576) + " MiB" : "unknown: others share its process"],
      ["The others' delivery p99, before", ms(a.others_before_ms.p99)],
      ["While it was away", ms(a.others_during_ms.p99)],
      ["After its return", ms(a.others_after_ms.p99)],
    ]);
}

// byPercentile draws a latency distribution.
function byPercentile(to, title, what, points) {
  const d = (points || []).filter((p) => p.percent < 100);
  if (d.length)
    chart(to, {
      title,
      what,
      x: "percentile of chunks",
      y: "latency, ms",
      names: ["latency"],
      values: [d.map((p) => 100 / (100 - p.percent)), d.map((p) => p.ms)],
      right: 26,
      xScale: { distr: 3 },
      xAxis: { splits: () => [1, 10, 100, 1000, 10000], values: (u, v) => v.map((w) => +(100 - 100 / w).toFixed(2) + " %") },
      xSeries: { value: (u, v) => (v === null ? "" : +(100 - 100 / v).toFixed(3) + " %") },
    });
}

function distributions(r, cluster) {
  const to = section("Distributions", "charts");
  const knee = "Each step to the right is a tenth as many chunks. A knee shows where rare trouble begins.";
  if (r.payload_bytes) byPercentile(to, "From body to delivery by percentile", knee, r.delivery_distribution);
  byPercentile(to, r.payload_bytes ? "From body to certificate by percentile" : "Latency by percentile", knee, r.latency_distribution);
  const b = r.batch_sizes || [],
    used = b.slice(
      0,
      b.reduce((last, x, i) => (x.count ? i + 1 : last), 0),
    );
  const sizes = used.map((p, i) =>
    p.up_to > 1e6 ? "more" : i && used[i - 1].up_to + 1 < p.up_to ? used[i - 1].up_to + 1 + "–" + p.up_to : String(p.up_to),
  );
  if (used.length)
    chart(
      to,
      Object.assign(
        {
          title: "Batch sizes",
          what: `Large batches are cheap per ack and come with load. On average ${number(r.batch_mean, 1)}, at most ${r.batch_size} allowed.`,
          x: "statements in a batch",
          y: "batches",
          whole: true,
          names: ["batches"],
          bars: true,
          values: [used.map((_, i) => i), used.map((p) => p.count)],
        },
        categories(sizes),
      ),
    );
  if (r.cpu_parts && r.cpu_parts.length)
    bars(
      to,
      cluster ? "Where the CPU time went" : "Where the engine's CPU time went",
      "CPU seconds from a profile. Curve arithmetic should dominate; the rest is overhead.",
      r.cpu_parts.map((p) => [p.name, p.cpu_s]),
      "s",
    );
  if (cluster && r.lanes.length > 1) {
    const grown = r.lanes.map((l) => Math.max(0, l.certified - l.recovered)).sort((p, q) => p - q);
    chart(
      to,
      Object.assign(
        {
          title: "Chunks certified by lane",
          what: "Each bar is a lane, the shortest first. Lanes that do alike are of like height.",
          x: "lanes",
          y: "chunks",
          whole: true,
          names: ["chunks"],
          bars: true,
          values: [grown.map((_, i) => i), grown],
        },
        categories(grown.map((_, i) => String(i + 1))),
      ),
    );
  }
}

// members tells what each process did, and what lies between them.
function members(r) {
  const to = section(r.hosts > 1 ? "Members and machines" : "Members");
  table(
    to,
    ["member", "machine", "processes", "certificates", "p50, ms", "p99, ms", "CPU, s", "memory, MiB", "sent, MB", "received, MB"],
    r.members.map((m) => [
      number(m.member),
      m.host,
      number(m.starts),
      number(m.certificates),
      number(m.latency_ms.p50, 1),
      number(m.latency_ms.p99, 1),
      number(m.cpu_s, 2),
      number(m.max_rss_bytes / 1048576),
      number(m.sent_bytes / 1e6, 2),
      number(m.received_bytes / 1e6, 2),
    ]),
  );
  list(element(to, "div", undefined, "cards"), "The network between them", [
    ["Sent, without headers", mb(r.network_bytes)],
    ["Packets", number(r.network_packets)],
    ["Sent again", mb(r.network_retransmitted_bytes)],
    ...(r.kills ? [["Kills", number(r.kills)], ["Back with a quorum, p50 · longest", ms(r.restart_ms.p50) + " · " + ms(r.restart_ms.max)]] : []),
    ...(r.lock_elsewhere_samples
      ? [["From proposal to the lock at other members, p50 · p99", ms(r.lock_elsewhere_ms.p50) + " · " + ms(r.lock_elsewhere_ms.p99)],
         ["Right to within", ms(r.lock_elsewhere_error_ms)]]
      : []),
    ...(r.payload_bytes && r.lock_elsewhere_error_ms ? [["Deliveries, by two clocks, are right to within", ms(r.lock_elsewhere_error_ms)]] : []),
    ...(r.lock_elsewhere_left_out
      ? [["Left out", plural(r.lock_elsewhere_left_out, "pair") + " of members: the offset of their clocks is not known", "bad"]]
      : []),
  ]);
  if (!r.lock_elsewhere.length) return;
  const between = section("From a proposal to the lock at another member");
  element(between, "p", r.hosts > 1
    ? "By two clocks, whose offset was measured by round trips: half the shortest round trip is how far off it may be."
    : "All members read the same clock.");
  table(
    between,
    ["from", "to", "p50, ms", "p99, ms", "chunks", ...(r.hosts > 1 ? ["clock ahead, ms", "to within, ms"] : [])],
    r.lock_elsewhere.map((p) => [
      number(p.from),
      number(p.to),
      number(p.p50_ms, 1),
      number(p.p99_ms, 1),
      number(p.samples),
      ...(r.hosts > 1 ? [(p.offset_ms < 0 ? "−" : "") + number(Math.abs(p.offset_ms), 2), number(p.error_ms, 2)] : []),
    ]),
  );
}

// rates are what was found at several: by a search, or along a schedule.
function rates(r) {
  const phases = r.phases || [],
    trials = (r.trials || []).toSorted((a, b) => a.rate_acks_per_s - b.rate_acks_per_s);
  if (phases.length < 2 && !trials.length) return;
  const to = section(trials.length ? "Search for the highest rate" : "Along the schedule", "charts");
  if (phases.length > 1)
    curve(
      to,
      phases.map((p) => [p.offered_acks_per_s, p.latency_ms.p50, p.latency_ms.p99]),
    );
  if (!trials.length) return;
  const at = trials.map((p) => p.rate_acks_per_s),
    only = (held) => trials.map((p) => (p.held === held ? p.p99_ms : null));
  const dots = { paths: () => null, dash: undefined, points: { show: true, size: 9 } };
  const most = Math.max(r.find_max_p99_ms, ...trials.map((p) => Math.min(p.p99_ms, 5 * r.find_max_p99_ms)));
  chart(to, {
    title: "p99 latency at each rate tried",
    what: `A rate holds if p99 stays under the dashed line, ${ms(r.find_max_p99_ms)}, nothing is dropped and the node keeps up. Points above the chart are left out.`,
    x: "offered load, acks/s",
    y: "p99 latency, ms",
    names: ["held", "not held"],
    values: [at, only(true), only(false)],
    series: [dots, Object.assign({ stroke: color("--bad") }, dots)],
    xAxis: { values: (u, v) => v.map(short) },
    xSeries: { value: (u, v) => (v === null ? "" : number(v)) },
    yScale: { range: [0, most * 1.1] },
    xScale: { range: (u, lo, hi) => [0, hi * 1.05] },
    hooks: level(r.find_max_p99_ms),
  });
  table(
    element(to, "div"),
    ["rate tried, acks/s", "p99, ms", "of chunks", "dropped", "held", "shortfall"],
    r.trials.map((p) => [number(p.rate_acks_per_s), number(p.p99_ms, 1), number(p.latency_samples), number(p.sends_dropped), p.held ? "yes" : "no", p.shortfall]),
  );
}

function faults(r, cluster) {
  const rows = cluster
    ? [["Messages dropped", number(r.dropped)]]
    : [
        ["Sends dropped", number(r.sends_dropped)],
        ...(r.schedule === "closed"
          ? []
          : [
              ["Chunks due", number(r.chunks_due)],
              ["Certified here", number(r.chunks_certified_here)],
              ["Learned from the next node only", number(r.chunks_learned), over(r.chunks_learned)],
              ["Unfinished at the end", number(r.unfinished), over(r.unfinished)],
            ]),
        ["Batch checks that failed", number(r.splits)],
        ["Validators suspect", number(r.suspects)],
        ["Faults reported", number(r.faults_reported)],
      ];
  rows.push(
    ["Acks proven invalid", number(r.acks_invalid)],
    ["Certificates proven invalid", number(r.certificates_invalid)],
    ["Conflicts", number(r.conflicts), r.conflicts ? "bad" : ""],
    ["Errors", number(r.errors), r.errors ? "bad" : ""],
  );
  const to = section("Faults and losses", "cards");
  list(to, "", rows);
  const told = [...(r.shortfall ? [["Overload", r.shortfall]] : []), ...r.problems.map((p) => ["Problem", p]), ...r.unmet.map((p) => ["Required", p])];
  if (!cluster && r.interrupted && r.stage !== "run")
    told.unshift(["Interrupted", "before the requested run; these figures are of the " + r.stage + " before it"]);
  if (told.length)
    list(
      to,
      "What went wrong",
      told.map(([k, v]) => [k, v, "bad"]),
    );
}

function settings(r, cluster) {
  const links = [
    ["Latency of links", r.link_latency_ms + " ms"],
    ["Messages lost", percent(r.link_loss)],
    ...(r.processes
      ? [
          ["Jitter of links, at most", r.link_jitter_ms + " ms"],
          ["Sent by a member, at most", r.link_bandwidth_mbit_per_s ? number(r.link_bandwidth_mbit_per_s) + " Mbit/s" : "unlimited"],
        ]
      : []),
  ];
  const to = section("Settings, machine and all other figures", "cards");
  list(to, "Settings", [
    ["Scheme", r.scheme + (r.variant ? " " + r.variant : "")],
    ["Acks", r.signatures + ", to " + (r.acks === "all" ? "all" : "the sequencer")],
    ["Weights", r.weights],
    ["Validators", number(r.validators)],
    ["Sequencers", number(r.sequencers)],
    ["Workers", number(r.workers)],
    ["Batch size, at most", number(r.batch_size)],
    ["Batch delay", r.batch_delay_ms + " ms"],
    ...(r.payload_bytes
      ? [["Bodies", size(r.payload_bytes)], ["Network", r.processes ? "TLS between processes" : "TLS on loopback, in one process"], ...(r.processes ? links : [])]
      : cluster
      ? [
          ...links,
          ...(r.processes ? [["Network", "TLS between processes"]] : []),
        ]
      : [
          ["Fed", pace(r)],
          ...(r.in_flight ? [["Chunks in flight", number(r.in_flight)]] : []),
          ["Peer quota, messages", number(r.peer_quota)],
          ["Invalid acks from", percent(r.invalid) + " of validators" + (r.colluding ? ", colluding" : "")],
          ["Silent", percent(r.silent) + " of validators"],
          ["Late", percent(r.late) + " of validators"],
          ["Feeders", number(r.feeders)],
          ["Warm-up", r.warmup_s + " s"],
        ]),
    ["Seed", String(r.seed)],
  ]);
  list(to, "Figures", [
    ["Measured for", number(r.duration_s, 1) + " s"],
    ["Certificates", number(r.certificates)],
    [cluster ? "Certificate messages found valid" : "Of these, from certificate messages", number(r.certificates_received)],
    ...Object.entries(r.messages_per_certificate).map(([kind, n]) => [
      "Sent per certificate, " + kind,
      number(n, 2),
    ]),
    ["Acks taken in", number(r.acks_received)],
    ["Nodes taken in", number(r.nodes_received)],
    ["Latency p50 · p90", ms(r.latency_ms.p50) + " · " + ms(r.latency_ms.p90)],
    ["Latency p99 · p99.9", ms(r.latency_ms.p99) + " · " + ms(r.latency_p999_ms)],
    ["Longest latency", ms(r.latency_ms.max)],
    ["Chunks that the latencies are of", number(r.latency_samples) + (r.latency_samples < 1000 ? ": few for a p99" : "")],
    ["CPU time", number(r.cpu_s, 2) + " s"],
    ["CPU time per certificate", number(r.cpu_us_per_certificate) + " µs"],
    ["Memory at most", number(r.max_rss_bytes / 1048576) + " MiB"],
    ...(cluster
      ? []
      : [
          ["CPU time of the generator", number(r.generator_cpu_s, 2) + " s more"],
          ["Certificates per second and core", number(r.certificates_per_core, 1)],
          ["Pure cryptography per chunk", number(r.crypto.us_per_chunk) + " µs"],
          ["Speed kept, acks alone", percent(r.crypto.share_acks_only)],
          ...(r.saturation_acks_per_s ? [["Saturation", number(r.saturation_acks_per_s) + " acks/s"]] : []),
          ...(r.schedule === "closed" ? [] : [["Generator late by, at most", ms(r.generator_behind_ms)]]),
        ]),
    ["Certificates verified again", number(r.certificates_verified)],
  ]);
  machine(to, r, r.backend, "Machine");
}

function machine(to, r, backend, title) {
  const m = r.machine,
    e = r.environment,
    measured = e.load_before !== undefined && r.mode !== "sweep";
  list(to, title, [
    ["Processor", m.cpu || "unknown"],
    ["Cores", number(m.cores)],
    ["GOMAXPROCS", number(m.gomaxprocs)],
    ["System", m.os + " " + m.arch],
    ["Go", m.go],
    ...(backend ? [["Curve arithmetic", backend]] : []),
    ["Host", e.hostname],
    ...(e.kernel ? [["Kernel", e.kernel]] : []),
    ...(measured
      ? [
          ["Load average, before · after", number(e.load_before, 1) + " · " + number(e.load_after, 1)],
          ["Processors used by others", number(e.others_cores, 2), e.busy ? "bad" : ""],
          ["Processors stolen", number(e.stolen_cores, 2), e.busy ? "bad" : ""],
          ["Traffic of a node, in · out", figures(r.bytes_in_per_node / 1e6 / r.duration_s) + " · " + figures(r.bytes_out_per_node / 1e6 / r.duration_s) + " MB/s"],
        ]
      : []),
    ...(e.disk.syncs
      ? [["Disk: " + (e.disk.file_system || "unknown") + ", durable after p50 · p99", ms(e.disk.sync_p50_ms) + " · " + ms(e.disk.sync_p99_ms)]]
      : []),
    ["Version", e.version],
    ["Command", e.command],
    ...Object.entries(e.tags || {}).map(([k, v]) => ["Tag " + k, v]),
  ]);
}

function curve(parent, points) {
  points.sort((a, b) => a[0] - b[0]);
  chart(parent, {
    title: "Latency against load",
    what: "Run a node left of where p99 turns upward.",
    x: "offered load, acks/s",
    y: "latency, ms",
    names: ["p50", "p99"],
    values: [points.map((p) => p[0]), points.map((p) => p[1]), points.map((p) => p[2])],
    xScale: { range: (u, lo, hi) => [0, hi * 1.05] },
    xAxis: { values: (u, v) => v.map(short) },
    xSeries: { value: (u, v) => (v === null ? "" : number(v)) },
  });
}

function sweep(r) {
  const good = r.runs.filter((run) => run.result),
    fastest = r.runs[r.best_throughput],
    within = r.runs[r.best_within_bound];
  head(
    [plural(r.runs.length, "run"), r.axes.map((a) => a.flag).join(", ") + " varied"],
    fastest
      ? `The best of ${plural(r.runs.length, "run")} verified ${number(fastest.result.acks_verified_per_s)} acks a second, ` +
          (fastest === within
            ? `with p99 within ${ms(r.p99_bound_ms)}.`
            : within
              ? `the best with p99 within ${ms(r.p99_bound_ms)} ${number(within.result.acks_verified_per_s)}.`
              : `none with p99 within ${ms(r.p99_bound_ms)}.`)
      : "No run was good.",
    r,
  );
  if (r.fixed) command(element(document.getElementById("subtitle"), "span", " · with "), r.fixed);
  if (fastest) {
    const best = [
      [number(fastest.result.acks_verified_per_s), "acks verified per second, by the best run"],
      [ms(fastest.result.latency_ms.p99), "p99 latency of that run"],
    ];
    tiles(
      fastest === within
        ? [...best, ["yes", `that p99 is within ${ms(r.p99_bound_ms)}`, "good"]]
        : [
            ...best,
            [
              within ? number(within.result.acks_verified_per_s) : "none",
              `acks verified per second, with p99 within ${ms(r.p99_bound_ms)}`,
            ],
            [within ? ms(within.result.latency_ms.p99) : "–", "p99 latency of that run"],
          ],
    );
  }
  if (r.findings.length) advice(r);
  const charts = section("By parameter", "charts");
  r.axes.forEach((a, k) => parameter(charts, r, good, a, k));
  if (r.axes.some((a) => a.flag === "rate" || a.flag === "load"))
    curve(
      charts,
      good
        .filter((run) => run.result.rate_acks_per_s)
        .map(({ result: n }) => [n.rate_acks_per_s, n.latency_ms.p50, n.latency_ms.p99]),
    );
  table(
    section("All runs"),
    r.axes
      .map((a) => a.flag)
      .concat(["acks verified/s", "per core", "certificates/s", "batch", "p50 ms", "p99 ms", "dropped", "remarks"]),
    r.runs.map((run, k) => {
      const n = run.result,
        remarks = [
          k === r.best_throughput ? "★ most throughput" : "",
          k === r.best_within_bound ? "★ best with p99 within " + ms(r.p99_bound_ms) : "",
          n && n.shortfall ? "overload: " + n.shortfall : "",
          run.defaults ? "defaults" : "", run.error,
          n && n.interrupted ? "interrupted" : "",
          ...(n ? n.problems : []),
        ]
          .filter(Boolean)
          .join("; ");
      return run.flags.concat(
        n
          ? [
              number(n.acks_verified_per_s),
              number(n.acks_verified_per_core),
              number(n.certificates_per_s, 1),
              number(n.batch_mean, 1),
              number(n.latency_ms.p50, 1),
              number(n.latency_ms.p99, 1),
              number(n.sends_dropped),
            ]
          : Array(7).fill("–"),
        remarks,
      );
    }),
    [r.best_throughput, r.best_within_bound],
  );
  const settled = section("Settings and machine", "cards");
  list(
    settled,
    "The same in all runs",
    r.settings.map((s) => ["--" + s.flag, s.value + (s.default ? " (default)" : "")]),
  );
  machine(settled, r, good.length ? good[0].result.backend : "", "Machine");
}

// advice says what to run, and whether it is worth it.
function advice(r) {
  const to = section("Flags to use", "cards wide");
  for (const f of r.findings) {
    const card = element(to, "div", undefined, "card");
    element(card, "h3", f.goal);
    command(element(card, "p"), ("loadgen node " + f.advice).trim());
    if (f.verdict) element(card, "p", f.verdict);
    const span = (s, digits) => number(s.min, digits) + (s.min === s.max ? "" : " – " + number(s.max, digits)),
      spread = (name, s, p) => [name, span(s), span(p, 1)];
    if (f.times)
      table(
        card,
        [plural(f.times, "run") + " each", "acks verified/s", "p99, ms"],
        [
          spread("best of the sweep", f.best_acks_verified_per_s, f.best_p99_ms),
          spread("defaults", f.defaults_acks_verified_per_s, f.defaults_p99_ms),
        ],
      );
  }
}

// parameter draws what each value of a flag came to at best.
function parameter(to, r, good, a, k) {
  const values = [...a.values],
    isDefault = (v) =>
      r.runs.some((run) => run.defaults && run.flags[k] === v) &&
      !a.values.every((w) => r.runs.some((run) => run.defaults && run.flags[k] === w));
  for (const run of r.runs) if (!values.includes(run.flags[k])) values.push(run.flags[k]);
  if (values.every((v) => v !== "" && !isNaN(v))) values.sort((p, q) => p - q);
  const of = (v, f) => good.filter((run) => run.flags[k] === v).map((run) => f(run.result));
  const best = (v) => of(v, (n) => n.acks_verified_per_s).reduce((p, q) => Math.max(p, q), 0),
    quick = (v) => of(v, (n) => n.latency_ms.p99).reduce((p, q) => Math.min(p, q), Infinity);
  const c = categories(values.map((v) => v + (isDefault(v) ? "\ndefault" : ""))),
    x = "--" + a.flag,
    at = values.map((_, i) => i);
  const others = r.axes.length > 1 ? "The best run with each value, whatever the other flags. " : "";
  chart(
    to,
    Object.assign(
      {
        title: "Throughput by " + x,
        what: others + "Choose the highest bar, unless its latency is too high.",
        x,
        y: "acks verified/s",
        names: ["acks verified/s"],
        bars: true,
        values: [at, values.map(best)],
      },
      c,
    ),
  );
  chart(
    to,
    Object.assign(
      {
        title: "Latency by " + x,
        what: others.replace("best", "quickest") + "Lower is better. The dashed line is the bound, " + ms(r.p99_bound_ms) + ".",
        x,
        y: "p99 latency, ms",
        names: ["p99, ms"],
        bars: true,
        values: [at, values.map(quick).map((v) => (v === Infinity ? null : v))],
        hooks: level(r.p99_bound_ms),
      },
      c,
    ),
  );
}

// comparison shows what changed between the first result and the others.
function comparison(r) {
  const verdict = (c) =>
    c.a === c.b ? "the same" : c.beyond_noise === null ? "too few repeats to tell" : c.beyond_noise ? "beyond the noise" : "within the noise";
  const beyond = r.comparisons.flatMap((c) => c.changes.filter((h) => h.beyond_noise && h.a !== h.b));
  head(
    [r.base.name, ...r.comparisons.map((c) => c.file.name)],
    r.failed.length
      ? "Changed more than allowed: " + r.failed.join("; ")
      : `${plural(beyond.length, "change")} beyond the noise, in ${plural(r.comparisons.length, "comparison")} with ${r.base.name}.`,
    r,
  );
  const cards = section("Results", "cards");
  for (const f of [r.base, ...r.comparisons.map((c) => c.file)])
    list(cards, f.name, [
      ["Run", f.title],
      ["At", f.time],
      ["Repeats", number(f.repeats)],
      ["Outcome", f.ok ? "good" : "not good", f.ok ? "" : "bad"],
      ...(f.busy ? [["Machine", "busy with other things", "bad"]] : []),
    ]);
  for (const c of r.comparisons) {
    const to = section(c.file.name + " against " + r.base.name);
    if (c.settings_differ.length)
      list(
        element(to, "div", undefined, "cards"),
        "Settings that differ",
        c.settings_differ.map((d) => d.split(/: (.*)/).slice(0, 2)),
      );
    const span = (v, s) => figures(v) + (s && s.min !== s.max ? " (" + figures(s.min) + " – " + figures(s.max) + ")" : "");
    table(
      to,
      ["measure", r.base.name, c.file.name, "ratio", "p", ""],
      c.changes.map((h) => [
        measureNames[h.measure] || h.measure,
        span(h.a, h.spread_a),
        span(h.b, h.spread_b),
        h.ratio === null ? "–" : number(h.ratio, 3),
        h.p === null ? "–" : number(h.p, 3),
        verdict(h),
      ]),
      c.changes.flatMap((h, i) => (h.beyond_noise && h.a !== h.b ? [i] : [])),
    );
  }
  list(section("Made by", "cards"), "", [
    ["Version", r.environment.version],
    ["Command", r.environment.command],
    ["Host", r.environment.hostname],
  ]);
}

if (result.mode === "sweep") sweep(result);
else if (result.mode === "compare") comparison(result);
else run(result);

const again = () => redraw.forEach((draw) => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
// Canvases keep their colours on paper, so they are drawn anew for it.
addEventListener("beforeprint", () => {
  document.documentElement.classList.add("paper");
  again();
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("paper");
  again();
});
