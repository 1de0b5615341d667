// Counts the bytes that a model keeps of its tokens; the formulas are those of fullstack_llm.decoding.kv_bytes.
(function () {
  "use strict";
  var root = document.getElementById("kv-calculator");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var names = Object.keys(data.models);
  var USE = [["length", "tokens in each text", 4096], ["batch", "texts at once", 1], ["memory", "GB for the cache", 64]];
  var SHAPE = [
    ["full", "layers that keep all", 0], ["windowed", "layers with a window", 0], ["window", "their window", 1],
    ["heads", "query heads", 1], ["kv_heads", "key-value heads", 1], ["dim", "columns of a head", 1],
    ["latent", "latent columns (0: none)", 0], ["rotated", "shared rotated columns", 0]
  ];
  var BANDWIDTH = 3.35e12;

  // ---- the formulas

  function numbers(s) { return s.latent ? s.latent + s.rotated : 2 * s.kv_heads * s.dim; }

  function kept(s, length, size) {
    return size * numbers(s) * (s.full * length + s.windowed * Math.min(length, s.window));
  }

  function multiHead(s, length, size) { return size * 2 * s.heads * s.dim * (s.full + s.windowed) * length; }

  // ---- numbers for people

  function bytes(number) {
    var units = [" bytes", " kB", " MB", " GB", " TB", " PB"], i = 0;
    while (number >= 999.5 && i < units.length - 1) { number /= 1000; i++; }
    return (i && number < 100 ? number.toPrecision(3) : String(Math.round(number))) + units[i];
  }

  function time(seconds) {
    if (seconds < 1e-6) return (seconds * 1e9).toPrecision(2) + " ns";
    return seconds < 1e-3 ? (seconds * 1e6).toPrecision(3) + " \u00b5s" : (seconds * 1e3).toPrecision(3) + " ms";
  }

  // ---- the page

  var inputs = {};
  function field(entry, least) {
    var id = "kv-" + entry[0];
    inputs[entry[0]] = make("input", { type: "number", id: id, min: least, step: 1 });
    return make("div", {}, [make("label", { "for": id }, [entry[1]]), inputs[entry[0]]]);
  }
  var preset = make("select", { id: "kv-preset" }, names.map(function (name) { return make("option", { value: name }, [name]); }));
  var size = make("select", { id: "kv-size" }, [["2", "16 bits"], ["1", "8 bits"], ["0.5", "4 bits"], ["4", "32 bits"]].map(
    function (entry) { return make("option", { value: entry[0] }, [entry[1]]); }
  ));
  var use = USE.map(function (entry) { return field(entry, 1); });
  use.push(make("div", {}, [make("label", { "for": "kv-size" }, ["a number in"]), size]));
  var shape = SHAPE.map(function (entry) { return field(entry, entry[2]); });
  var warning = make("p", { "class": "kv-warning", role: "status" });
  var results = make("dl", { "class": "kv-results" }), table = make("table", {});
  root.appendChild(make("div", { "class": "kv fsllm-tool" }, [
    make("label", { "for": "kv-preset" }, ["Model"]), preset,
    make("div", { "class": "kv-fields" }, use),
    make("details", { "class": "kv-shape" }, [make("summary", {}, ["Its layers and heads"]), make("div", { "class": "kv-fields" }, shape)]),
    warning, results,
    make("div", { "class": "kv-scroll", tabindex: 0, role: "region", "aria-label": "One text in each model" }, [table]),
    make("p", { "class": "fsllm-tool-legend" }, [
      "1 GB is 1,000,000,000 bytes. Reading is at the 3.35 TB/s of an H100, and is done once for each token that is written. ",
      "A quantized cache also has scales, which are not counted."
    ])
  ]));

  function read() {
    var s = {};
    USE.concat(SHAPE).forEach(function (entry) {
      var text = inputs[entry[0]].value;
      s[entry[0]] = text === "" ? NaN : Number(text);
    });
    return s;
  }

  function wrong(s) {
    var all = USE.map(function (entry) { return [entry[0], entry[1], 1]; }).concat(SHAPE);
    for (var i = 0; i < all.length; i++) {
      var value = s[all[i][0]];
      if (!(value >= all[i][2]) || value > 1e9 || value !== Math.floor(value)) return all[i][1] + " must be a whole number from " + all[i][2] + " on.";
    }
    if (s.full + s.windowed < 1) return "A model has at least one layer.";
    if (!s.latent && s.heads % s.kv_heads) return "The number of query heads must be a multiple of that of key-value heads.";
    return "";
  }

  function row(cells, head) {
    return make("tr", {}, cells.map(function (cell, i) {
      return make(head || !i ? "th" : "td", head ? { scope: "col" } : i ? {} : { scope: "row" }, [].concat(cell));
    }));
  }

  function draw() {
    var s = read(), problem = wrong(s), each = Number(size.value);
    fill(warning, problem ? [problem] : []);
    if (problem) return;
    var one = kept(s, s.length, each), many = multiHead(s, s.length, each);
    fill(results, [
      ["the first token", bytes(kept(s, 1, each))],
      ["one text", bytes(one)],
      ["all texts", bytes(one * s.batch)],
      ["one text as multi-head", bytes(many)],
      ["multi-head keeps", (many / one).toPrecision(3) + " times as much"],
      ["texts that fit", Math.floor(s.memory * 1e9 / one).toLocaleString("en")],
      ["read all of it once", time(one * s.batch / BANDWIDTH)]
    ].map(function (entry) { return make("div", {}, [make("dt", {}, [entry[0]]), make("dd", {}, [entry[1]])]); }));
    var found = names.map(function (name) { return kept(data.models[name], s.length, each); });
    var most = Math.max.apply(null, found);
    fill(table, [
      make("thead", {}, [row(["one text in", "keeps", "as a bar"], true)]),
      make("tbody", {}, names.map(function (name, i) {
        var bar = make("span", { "class": "kv-bar", "aria-hidden": "true" });
        bar.style.width = Math.max(0.4, 100 * found[i] / most) + "%";
        var line = row([name, bytes(found[i]), bar]);
        if (name === preset.value) line.className = "kv-chosen";
        return line;
      }))
    ]);
  }

  function begin() {
    var chosen = data.models[preset.value];
    SHAPE.forEach(function (entry) { inputs[entry[0]].value = chosen[entry[0]]; });
    draw();
  }

  USE.forEach(function (entry) { inputs[entry[0]].value = entry[2]; });
  preset.value = "Llama 2 70B";
  preset.addEventListener("change", begin);
  size.addEventListener("change", draw);
  Object.keys(inputs).forEach(function (name) { inputs[name].addEventListener("input", draw); });
  begin();
})();
