// Real logits of the next token under temperature, top-k, top-p and min-p, in the order of transformers or the other one.
(function () {
  "use strict";
  var root = document.getElementById("sampler");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var SHOWN = 14, size = data.tokens.length, seed = 1;

  function softmax(scores) {
    var most = Math.max.apply(null, scores), sum = 0;
    var shares = scores.map(function (s) { var e = Math.exp(s - most); sum += e; return e; });
    return shares.map(function (e) { return e / sum; });
  }

  function masked(scores, keep) { return scores.map(function (s, i) { return keep(i) ? s : -Infinity; }); }

  // From small to large; equal ones keep their order.
  function ascending(scores) {
    return scores.map(function (_, i) { return i; }).sort(function (a, b) {
      return scores[a] === scores[b] ? a - b : scores[a] < scores[b] ? -1 : 1;
    });
  }

  var rules = {
    temperature: function (scores, t) { return scores.map(function (s) { return s / t; }); },
    top_k: function (scores, k) {
      var order = ascending(scores), smallest = scores[order[size - Math.min(k, size)]];
      return masked(scores, function (i) { return scores[i] >= smallest; });
    },
    top_p: function (scores, p) {
      var order = ascending(scores), shares = softmax(scores), sum = 0, cut = {};
      order.forEach(function (i, rank) { sum += shares[i]; if (sum <= 1 - p && rank < size - 1) cut[i] = true; });
      return masked(scores, function (i) { return !cut[i]; });
    },
    min_p: function (scores, p) {
      var shares = softmax(scores), most = Math.max.apply(null, shares);
      return masked(scores, function (i) { return shares[i] >= p * most; });
    }
  };

  function dial(id, name, low, high, step, value) {
    var input = make("input", { type: "range", id: "sampler-" + id, min: low, max: high, step: step, value: value });
    var output = make("output", { "for": "sampler-" + id });
    return { input: input, output: output, box: make("div", {}, [make("label", { "for": "sampler-" + id }, [name + ": ", output]), input]) };
  }

  var prompt = make("select", { id: "sampler-prompt" }, data.prompts.map(function (one, i) {
    return make("option", { value: i }, [one.text.replace(/\n/g, " ↵ ")]);
  }));
  var order = make("select", { id: "sampler-order" }, [
    make("option", { value: "first" }, ["temperature first (transformers)"]),
    make("option", { value: "last" }, ["temperature last"])
  ]);
  var heat = dial("temperature", "Temperature", 0.05, 3, 0.05, 1), k = dial("top-k", "top-k", 0, 60, 1, 0);
  var p = dial("top-p", "top-p", 0.05, 1, 0.01, 1), m = dial("min-p", "min-p", 0, 1, 0.01, 0);
  var bars = make("ol", { "class": "sp-bars" }), status = make("p", { "class": "sp-status", role: "status" });
  var drawn = make("p", { "class": "sp-drawn", "aria-live": "polite" }), draw = make("button", { type: "button" }, ["Draw ten tokens"]);
  root.appendChild(make("div", { "class": "sp fsllm-tool" }, [
    make("label", { "for": "sampler-prompt" }, ["The text so far"]), prompt,
    make("div", { "class": "sp-dials" }, [heat.box, k.box, p.box, m.box]),
    make("label", { "for": "sampler-order" }, ["Order"]), order, status, bars, draw, drawn,
    make("p", { "class": "fsllm-tool-legend" }, [
      "A filled bar is a token's share after all rules, the outline its share in the model; struck out is what a rule forbids. ",
      "␣ is a space, ↵ a line break, · a byte that is no letter by itself. top-k at 0 is off, as are top-p at 1 and min-p at 0."
    ])
  ]));

  function settings() {
    return { temperature: Number(heat.input.value), top_k: Number(k.input.value), top_p: Number(p.input.value), min_p: Number(m.input.value) };
  }

  function after(scores, asked) {
    var names = ["top_k", "top_p", "min_p"].filter(function (name) {
      return name === "top_p" ? asked[name] < 1 : asked[name] > 0;
    });
    names = order.value === "first" ? ["temperature"].concat(names) : names.concat(["temperature"]);
    names.forEach(function (name) { scores = rules[name](scores, asked[name]); });
    return softmax(scores);
  }

  function percent(share) { return share > 0 && share < 0.0005 ? "<0.1 %" : (100 * share).toFixed(1) + " %"; }

  function show() {
    var logits = data.prompts[Number(prompt.value)].logits, asked = settings();
    var was = softmax(logits), now = after(logits, asked), order = ascending(logits).reverse();
    var kept = now.filter(function (share) { return share > 0; }).length, held = 0, entropy = 0;
    now.forEach(function (share, i) { if (share > 0) { held += was[i]; entropy -= share * Math.log(share); } });
    var most = Math.max(Math.max.apply(null, was), Math.max.apply(null, now));
    fill(bars, order.slice(0, SHOWN).map(function (i) {
      return make("li", now[i] > 0 ? {} : { "class": "sp-cut" }, [
        make("span", { "class": "fsllm-tool-token" }, [data.tokens[i]]),
        make("span", { "class": "sp-track", "aria-hidden": "true" }, [
          make("span", { "class": "sp-now", style: "width:" + (100 * now[i] / most).toFixed(2) + "%" }),
          make("span", { "class": "sp-was", style: "width:" + (100 * was[i] / most).toFixed(2) + "%" })
        ]),
        make("span", { "class": "sp-share" }, [percent(now[i])])
      ]);
    }));
    heat.output.textContent = asked.temperature.toFixed(2);
    k.output.textContent = asked.top_k || "off";
    p.output.textContent = asked.top_p < 1 ? asked.top_p.toFixed(2) : "off";
    m.output.textContent = asked.min_p > 0 ? asked.min_p.toFixed(2) : "off";
    fill(status, [kept + " of " + size + " tokens can be drawn; they had " + percent(held) + " of the model's probability; entropy " +
      entropy.toFixed(2) + " nats, as wide as an even choice among " + Math.exp(entropy).toFixed(1) + "."]);
    root.setAttribute("data-shares", JSON.stringify(now.map(function (share) { return Number(share.toPrecision(6)); })));
    fill(drawn, []);
  }

  // A small generator of our own, so that a page that is loaded anew draws the same.
  function random() { seed = (1664525 * seed + 1013904223) % 4294967296; return seed / 4294967296; }

  draw.addEventListener("click", function () {
    var shares = JSON.parse(root.getAttribute("data-shares")), found = [], n, i, u;
    for (n = 0; n < 10; n++) {
      u = random() * shares.reduce(function (a, b) { return a + b; }, 0);
      for (i = 0; i < size - 1 && u >= shares[i]; i++) u -= shares[i];
      found.push(data.tokens[i]);
    }
    fill(drawn, found.map(function (token, at) { return make("span", { "class": "fsllm-tool-token" }, [(at ? "  " : "") + token]); }));
  });
  [heat, k, p, m].forEach(function (one) { one.input.addEventListener("input", show); });
  [prompt, order].forEach(function (one) { one.addEventListener("change", show); });
  show();
})();
