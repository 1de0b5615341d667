// Shows where each head of the trained model looks, from any token of a few sentences.
(function () {
  "use strict";
  var root = document.getElementById("attention-viewer");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);

  // ---- the weights: for each head, row by row, the keys up to the query, a byte each

  data.sentences.forEach(function (sentence) {
    var bytes = atob(sentence.maps), T = sentence.tokens.length, size = T * (T + 1) / 2;
    sentence.weight = function (layer, head, query, key) {
      if (key > query) return 0;
      return bytes.charCodeAt((layer * data.heads + head) * size + query * (query + 1) / 2 + key) / 255;
    };
  });

  function shown(token) { return token.replace(/ /g, "␣").replace(/\n/g, "↵"); }

  function percent(share) { return Math.round(100 * share) + " %"; }

  // ---- the page

  var chosen = { sentence: 0, layer: 2, head: 1, query: 0 };
  var select = make("select", { id: "attention-sentence" }, data.sentences.map(function (sentence, i) {
    return make("option", { value: i }, [sentence.text.split("\n").join(" ↵ ")]);
  }));
  var strip = make("div", { "class": "av-strip", role: "group", "aria-label": "Tokens; the arrow keys move the query" });
  var status = make("p", { "class": "av-status", role: "status", "aria-live": "polite" });
  var next = make("p", { "class": "av-next" });
  var heads = make("div", { "class": "av-heads", role: "group", "aria-label": "Heads; the arrow keys move" });
  var thumbnails = [];
  for (var l = 0; l < data.layers; l++) {
    heads.appendChild(make("span", { "class": "av-layer", "aria-hidden": "true" }, ["layer " + l]));
    for (var h = 0; h < data.heads; h++) heads.appendChild(thumbnail(l, h));
  }
  root.appendChild(make("div", { "class": "av fsllm-tool" }, [
    make("label", { "for": "attention-sentence" }, ["Sentence"]), select, strip, status, next, heads,
    make("p", { "class": "fsllm-tool-legend" }, [
      "Choose a token, the query, and a head. The bar over each earlier token is the share of the head's attention ",
      "that it gets. Each small map is a head: a row for each query, a column for each key, stronger for more."
    ])
  ]));

  function thumbnail(layer, head) {
    var canvas = make("canvas", { "aria-hidden": "true" });
    var button = make("button", { type: "button", "class": "av-head", "aria-label": "head " + layer + "." + head }, [
      canvas, make("span", { "aria-hidden": "true" }, [layer + "." + head])
    ]);
    button.addEventListener("click", function () { chosen.layer = layer; chosen.head = head; draw(); });
    thumbnails.push({ layer: layer, head: head, button: button, canvas: canvas });
    return button;
  }

  function paint(thumb, sentence) {
    var T = sentence.tokens.length, context = thumb.canvas.getContext("2d");
    thumb.canvas.width = thumb.canvas.height = T;
    context.fillStyle = window.getComputedStyle(heads).color;
    for (var query = 0; query < T; query++) for (var key = 0; key <= query; key++) {
      context.globalAlpha = Math.sqrt(sentence.weight(thumb.layer, thumb.head, query, key));
      context.fillRect(key, query, 1, 1);
    }
  }

  function paintAll() {
    thumbnails.forEach(function (thumb) { paint(thumb, data.sentences[chosen.sentence]); });
  }

  function draw() {
    var sentence = data.sentences[chosen.sentence], query = chosen.query;
    var shares = sentence.tokens.map(function (_, key) {
      return sentence.weight(chosen.layer, chosen.head, query, key);
    });
    var focused = strip.contains(document.activeElement);
    fill(strip, sentence.tokens.map(function (token, key) {
      var seen = key <= query, bar = make("span", { "class": "av-bar", "aria-hidden": "true" });
      bar.style.height = 3 * shares[key] + "rem";
      var button = make("button", {
        type: "button", "class": "av-token" + (seen ? "" : " av-future"), "aria-pressed": String(key === query),
        tabindex: key === query ? 0 : -1, "aria-label": shown(token) + (seen ? ", " + percent(shares[key]) : ", not seen")
      }, [
        make("span", { "class": "av-column", "aria-hidden": "true" }, [bar]),
        make("span", { "class": "fsllm-tool-token", "aria-hidden": "true" }, [shown(token)]),
        make("span", { "class": "av-share", "aria-hidden": "true" }, [shares[key] >= 0.005 ? percent(shares[key]) : " "])
      ]);
      button.addEventListener("click", function () { chosen.query = key; draw(); });
      return button;
    }));
    if (focused) strip.children[query].focus();
    var order = shares.map(function (_, key) { return key; }).slice(0, query + 1);
    order.sort(function (a, b) { return shares[b] - shares[a]; });
    fill(status, ["Head " + chosen.layer + "." + chosen.head + ", from "].concat(
      quoted(sentence.tokens[query]), [": "],
      listed(order.slice(0, 3).filter(function (key, i) { return !i || shares[key] >= 0.005; }).map(function (key) {
        return [sentence.tokens[key], percent(shares[key])];
      }))
    ));
    fill(next, ["The model's next token here: "].concat(
      listed(sentence.next[query].map(function (pair) { return [pair[0], pair[1] + " %"]; }))
    ));
    thumbnails.forEach(function (thumb) {
      var on = thumb.layer === chosen.layer && thumb.head === chosen.head;
      thumb.button.setAttribute("aria-pressed", String(on));
      thumb.button.setAttribute("tabindex", on ? 0 : -1);
    });
  }

  function quoted(token) { return [make("span", { "class": "fsllm-tool-token" }, [shown(token)])]; }

  function listed(pairs) {
    return pairs.reduce(function (all, pair, i) {
      return all.concat(i ? [", "] : [], quoted(pair[0]), [" " + pair[1]]);
    }, []).concat(["."]);
  }

  function begin(sentence) {
    chosen.sentence = sentence;
    var tokens = data.sentences[sentence].tokens, last = tokens.lastIndexOf(" on");
    // A statement's interesting place is before its answer; a sum's, before the first digit of the result.
    chosen.query = last > 0 ? last : tokens.length - 3;
    paintAll();
    draw();
  }

  strip.addEventListener("keydown", function (event) {
    var moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    var last = data.sentences[chosen.sentence].tokens.length - 1;
    chosen.query = Math.max(0, Math.min(last, chosen.query + moves[event.key]));
    draw();
  });
  heads.addEventListener("keydown", function (event) {
    var moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    chosen.layer = Math.max(0, Math.min(data.layers - 1, chosen.layer + moves[event.key][0]));
    chosen.head = Math.max(0, Math.min(data.heads - 1, chosen.head + moves[event.key][1]));
    draw();
    thumbnails[chosen.layer * data.heads + chosen.head].button.focus();
  });
  select.addEventListener("change", function () { begin(Number(select.value)); });
  // The maps are painted in the theme's colour.
  new MutationObserver(paintAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  begin(1);
  select.value = 1;
})();
