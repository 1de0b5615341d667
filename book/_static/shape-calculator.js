// Counts a model's parameters, FLOPs and bytes from its shape; the formulas are those of fullstack_llm.transformer.count.
(function () {
  "use strict";
  var root = document.getElementById("shape-calculator");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var FIELDS = [
    ["vocab_size", "vocabulary"], ["hidden_size", "width"], ["intermediate_size", "inner width"], ["num_layers", "layers"],
    ["num_heads", "query heads"], ["num_kv_heads", "key-value heads"], ["num_experts", "experts (0: dense)"],
    ["num_active", "active experts"], ["length", "tokens in context"], ["batch", "sequences"]
  ];
  var DEFAULTS = { num_experts: 0, num_active: 2, length: 4096, batch: 1 };
  var PLACES = ["embedding", "attention", "mlp", "router", "norms", "output"];

  // ---- the formulas

  // Every tensor of the model: name, place, rows, columns, how many of it there are, how many of them a token uses.
  function tensors(s) {
    var D = s.hidden_size, I = s.intermediate_size, L = s.num_layers, narrow = s.num_kv_heads * D / s.num_heads;
    var copies = L * (s.num_experts || 1), used = L * (s.num_experts ? s.num_active : 1);
    var found = [
      ["embed_tokens", "embedding", s.vocab_size, D, 1, 1],
      ["q_proj", "attention", D, D, L, L], ["k_proj", "attention", narrow, D, L, L],
      ["v_proj", "attention", narrow, D, L, L], ["o_proj", "attention", D, D, L, L]
    ];
    if (s.num_experts) found.push(["router", "router", s.num_experts, D, L, L]);
    if (s.gated) found.push(["gate_proj", "mlp", I, D, copies, used]);
    found.push(["up_proj", "mlp", I, D, copies, used], ["down_proj", "mlp", D, I, copies, used]);
    found.push(["RMSNorm", "norms", 1, D, 2 * L + 1, 2 * L + 1]);
    if (!s.tied) found.push(["lm_head", "output", s.vocab_size, D, 1, 1]);
    return found;
  }

  function count(s) {
    var total = {}, active = {}, all = 0, used = 0;
    PLACES.forEach(function (place) { total[place] = active[place] = 0; });
    tensors(s).forEach(function (t) {
      total[t[1]] += t[2] * t[3] * t[4];
      active[t[1]] += t[2] * t[3] * t[5];
      all += t[2] * t[3] * t[4];
      used += t[2] * t[3] * t[5];
    });
    var scores = 4 * s.num_layers * s.length * s.hidden_size;
    var flops = 2 * (active.attention + active.mlp + active.router + s.vocab_size * s.hidden_size) + scores;
    var kv = 2 * s.num_layers * s.num_kv_heads * (s.hidden_size / s.num_heads) * 2;
    return { places: total, total: all, active: used, scores: scores, flops: flops, kv: kv };
  }

  function wrong(s) {
    for (var i = 0; i < FIELDS.length; i++) {
      var value = s[FIELDS[i][0]], least = FIELDS[i][0] === "num_experts" ? 0 : 1;
      if (!(value >= least) || value > 1e9 || value !== Math.floor(value)) return FIELDS[i][1] + " must be a whole number from " + least + " on.";
    }
    if (s.hidden_size % s.num_heads) return "The width must be a multiple of the number of query heads.";
    if (s.num_heads % s.num_kv_heads) return "The number of query heads must be a multiple of that of key-value heads.";
    if (s.num_experts && s.num_active > s.num_experts) return "A token cannot use more experts than there are.";
    return "";
  }

  // ---- numbers for people

  function short(number, units, step) {
    var i = 0;
    while (number >= step && i < units.length - 1) { number /= step; i++; }
    return (i && number < 100 ? number.toPrecision(3) : Math.round(number).toLocaleString("en")) + units[i];
  }

  function amount(number) { return short(number, ["", " K", " M", " B", " T"], 1000); }

  function bytes(number) { return short(number, [" bytes", " KiB", " MiB", " GiB", " TiB"], 1024); }

  // ---- the page

  var inputs = {};
  var names = Object.keys(data.shapes);
  var preset = make("select", { id: "shape-preset" }, names.map(function (name) {
    return make("option", { value: name }, [name]);
  }));
  var fields = FIELDS.map(function (field) {
    inputs[field[0]] = make("input", { type: "number", id: "shape-" + field[0], min: field[0] === "num_experts" ? 0 : 1, step: 1 });
    return make("div", {}, [make("label", { "for": "shape-" + field[0] }, [field[1]]), inputs[field[0]]]);
  });
  [["gated", "MLP", ["gated: SwiGLU", "plain: GELU"]], ["tied", "output matrix", ["the embedding's", "its own"]]].forEach(
    function (field) {
      inputs[field[0]] = make("select", { id: "shape-" + field[0] }, field[2].map(function (text, i) {
        return make("option", { value: i ? "no" : "yes" }, [text]);
      }));
      fields.push(make("div", {}, [make("label", { "for": "shape-" + field[0] }, [field[1]]), inputs[field[0]]]));
    }
  );
  var warning = make("p", { "class": "sc-warning", role: "status" });
  var bar = make("div", { "class": "sc-bar", "aria-hidden": "true" });
  var table = make("table", {}), results = make("dl", { "class": "sc-results" }), list = make("table", {});
  root.appendChild(make("div", { "class": "sc fsllm-tool" }, [
    make("label", { "for": "shape-preset" }, ["Begin with"]), preset, make("div", { "class": "sc-fields" }, fields), warning, bar,
    make("div", { "class": "sc-scroll", tabindex: 0, role: "region", "aria-label": "Parameters by place" }, [table]), results,
    make("details", { "class": "sc-tensors" }, [
      make("summary", {}, ["Every tensor"]),
      make("div", { "class": "sc-scroll", tabindex: 0, role: "region", "aria-label": "Every tensor" }, [list])
    ]),
    make("p", { "class": "fsllm-tool-legend" }, [
      "FLOPs are of one forward pass, for each token of a full context, with all T × T scores; training takes three times as many. ",
      "Weights and keys and values take 2 bytes a number; training takes 16 bytes a parameter, and activations on top."
    ])
  ]));

  function row(cells, head) {
    return make("tr", {}, cells.map(function (cell, i) {
      return make(head || !i ? "th" : "td", head ? { scope: "col" } : i ? {} : { scope: "row" }, [].concat(cell));
    }));
  }

  function read() {
    var s = {};
    FIELDS.forEach(function (field) { s[field[0]] = inputs[field[0]].value === "" ? NaN : Number(inputs[field[0]].value); });
    s.gated = inputs.gated.value === "yes";
    s.tied = inputs.tied.value === "yes";
    return s;
  }

  function draw() {
    var s = read(), problem = wrong(s);
    fill(warning, problem ? [problem] : []);
    if (problem) return;
    var found = count(s);
    var places = PLACES.filter(function (place) { return found.places[place]; });
    function swatch(place) { return make("span", { "class": "sc-swatch sc-hue" + PLACES.indexOf(place), "aria-hidden": "true" }); }
    fill(bar, places.map(function (place) {
      var piece = make("span", { "class": "sc-hue" + PLACES.indexOf(place) });
      piece.style.width = 100 * found.places[place] / found.total + "%";
      return piece;
    }));
    fill(table, [
      make("thead", {}, [row(["place", "parameters", "share"], true)]),
      make("tbody", {}, places.map(function (place) {
        var share = 100 * found.places[place] / found.total;
        return row([[swatch(place), place === "mlp" ? "MLP" : place], found.places[place].toLocaleString("en"),
          (share < 0.05 ? "< 0.1" : share.toFixed(1)) + " %"]);
      })),
      make("tfoot", {}, [row(["all", found.total.toLocaleString("en"), ""])])
    ]);
    fill(results, [
      ["parameters that a token uses", amount(found.active)],
      ["FLOPs a token, forward", amount(found.flops)],
      ["of them for scores and values", Math.round(100 * found.scores / found.flops) + " %"],
      ["keys and values of a token", bytes(found.kv)],
      ["of the whole context", bytes(found.kv * s.length * s.batch)],
      ["weights in 16 bits", bytes(2 * found.total)],
      ["training with AdamW", bytes(16 * found.total)]
    ].map(function (entry) {
      return make("div", {}, [make("dt", {}, [entry[0]]), make("dd", {}, [entry[1]])]);
    }));
    fill(list, [
      make("thead", {}, [row(["tensor", "shape", "of it", "parameters"], true)]),
      make("tbody", {}, tensors(s).map(function (t) {
        return row([make("span", { "class": "fsllm-tool-token" }, [t[0]]),
          t[2] === 1 ? String(t[3]) : t[2].toLocaleString("en") + " × " + t[3].toLocaleString("en"),
          t[4].toLocaleString("en"), (t[2] * t[3] * t[4]).toLocaleString("en")]);
      }))
    ]);
  }

  function begin() {
    var shape = data.shapes[preset.value];
    FIELDS.forEach(function (field) {
      inputs[field[0]].value = field[0] in shape ? shape[field[0]] : DEFAULTS[field[0]];
    });
    inputs.gated.value = "yes";
    inputs.tied.value = shape.tied ? "yes" : "no";
    draw();
  }

  preset.addEventListener("change", begin);
  Object.keys(inputs).forEach(function (name) { inputs[name].addEventListener("input", draw); });
  begin();
})();
