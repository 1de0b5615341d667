// Steps through the merges that the course's tokenizer applies to a reader's text.
(function () {
  "use strict";
  var root = document.getElementById("bpe-stepper");
  if (!root) return;
  var make = window.fsllmTool.make, fill = window.fsllmTool.fill;
  var data = JSON.parse(root.querySelector(".interactive-data").textContent);
  var LIMIT = 400;
  var EXAMPLES = ["Ada adds 12 and 34.", "naïve café 👋", "def add(a, b):\n    return a + b"];

  // ---- the tokenizer: GPT-2's visible alphabet, ids (specials, bytes, merges), ranks

  var charOfByte = [], byteOfChar = Object.create(null), idOf = Object.create(null), rankOf = Object.create(null);
  for (var b = 0, hidden = 256; b < 256; b++) {
    var visible = (b > 32 && b < 127) || (b > 160 && b < 173) || b > 173;
    charOfByte[b] = String.fromCharCode(visible ? b : hidden++);
    byteOfChar[charOfByte[b]] = b;
  }
  var nextId = data.specials.length;
  charOfByte.slice().sort().forEach(function (c) { idOf[c] = nextId++; });
  data.merges.forEach(function (pair, rank) {
    rankOf[pair.join(" ")] = rank;
    if (!(pair.join("") in idOf)) idOf[pair.join("")] = nextId++;
  });
  // JavaScript's \s lacks U+0085 and has U+FEFF; the tokenizer's \s is Unicode's White_Space.
  var pattern = new RegExp(data.pattern.replace(/\\s/g, "\\p{White_Space}").replace(/\\S/g, "\\P{White_Space}"), "gu");

  function bytesOf(text) {
    return Array.prototype.map.call(new TextEncoder().encode(text), function (byte) { return charOfByte[byte]; });
  }

  function join(tokens, left, right) {
    var out = [];
    for (var i = 0; i < tokens.length; i++) {
      var fresh = i + 1 < tokens.length && tokens[i].piece === left && tokens[i + 1].piece === right;
      out.push({ piece: fresh ? left + right : tokens[i].piece, fresh: fresh });
      if (fresh) i++;
    }
    return out;
  }

  // Every stage of one text: the bytes, then one more after each merge. The earliest learned merge goes first.
  function stagesOf(text) {
    var chunks = (text.match(pattern) || []).map(function (source) {
      return { source: source, tokens: bytesOf(source).map(function (c) { return { piece: c, fresh: false }; }) };
    });
    var stages = [{ chunks: chunks }];
    for (;;) {
      var best = Infinity;
      chunks.forEach(function (chunk) {
        for (var i = 1; i < chunk.tokens.length; i++) {
          var rank = rankOf[chunk.tokens[i - 1].piece + " " + chunk.tokens[i].piece];
          if (rank < best) best = rank;
        }
      });
      if (best === Infinity) return stages;
      var pair = data.merges[best];
      chunks = chunks.map(function (chunk) {
        return { source: chunk.source, tokens: join(chunk.tokens, pair[0], pair[1]) };
      });
      stages.push({ chunks: chunks, pair: pair, rank: best });
    }
  }

  // ---- what a reader sees: spaces as ␣, other invisible characters and lone bytes as escapes

  var INVISIBLE = new RegExp("[\\p{C}\\p{Z}]", "u"), MARK = new RegExp("^\\p{M}", "u");

  function hex(number, width) { return ("00000" + number.toString(16)).slice(-width); }

  function shown(text) {
    return Array.from(text).map(function (c) {
      var code = c.codePointAt(0);
      if (c === " ") return "␣";
      if (c === "\n") return "\\n";
      if (c === "\t") return "\\t";
      if (!INVISIBLE.test(c)) return MARK.test(c) ? "◌" + c : c;
      return code < 256 ? "\\x" + hex(code, 2) : code < 65536 ? "\\u" + hex(code, 4) : "\\u{" + code.toString(16) + "}";
    }).join("");
  }

  function shownPiece(piece) {
    var bytes = piece.split("").map(function (c) { return byteOfChar[c]; }), out = "";
    for (var i = 0; i < bytes.length;) {
      var size = bytes[i] < 128 ? 1 : bytes[i] < 192 ? 0 : bytes[i] < 224 ? 2 : bytes[i] < 240 ? 3 : 4;
      if (size && i + size <= bytes.length) {
        var escapes = bytes.slice(i, i + size).map(function (byte) { return "%" + hex(byte, 2); });
        out += shown(decodeURIComponent(escapes.join("")));
        i += size;
      } else out += "\\x" + hex(bytes[i++], 2);
    }
    return out;
  }

  function counted(number, noun) { return number.toLocaleString("en") + " " + noun + (number === 1 ? "" : "s"); }

  // ---- the page

  function box(piece, kind) {
    var hue = piece.length > 1 ? "hue" + (idOf[piece] % 6) : byteOfChar[piece] < 128 ? "byte" : "byte bpe-hex";
    return make("span", { "class": "bpe-box bpe-" + hue + (kind || "") }, [shownPiece(piece)]);
  }

  var area = make("textarea", {
    id: "bpe-text", rows: 2, spellcheck: "false", autocapitalize: "off", autocomplete: "off"
  });
  var examples = make("div", { "class": "bpe-examples" }, ["Try: "].concat(EXAMPLES.map(function (example) {
    var button = make("button", { type: "button" }, [shown(example).replace(/␣/g, " ").replace(/\\n */g, " ↵ ")]);
    button.addEventListener("click", function () { area.value = example; read(false); });
    return button;
  })));
  var warning = make("p", { "class": "bpe-warning", role: "status" });
  var slider = make("input", { type: "range", min: 0, value: 0, "aria-label": "Merge" });
  var position = make("span", { "class": "bpe-position", "aria-hidden": "true" });
  var buttons = [["Start", -Infinity], ["Back", -1], ["Next", 1], ["End", Infinity]].map(function (entry) {
    var button = make("button", { type: "button" }, [entry[0]]);
    button.addEventListener("click", function () { go(step + entry[1]); });
    return button;
  });
  var controls = make("div", {
    "class": "bpe-controls", role: "group", "aria-label": "Steps; the arrow keys move, too"
  }, buttons.concat([slider, position]));
  var status = make("p", { "class": "bpe-status", role: "status", "aria-live": "polite" });
  var view = make("div", {
    "class": "bpe-view", role: "group", "aria-label": "Chunks and their tokens, each with its id"
  });
  var counts = make("dl", { "class": "bpe-counts" });
  var legend = make("p", { "class": "fsllm-tool-legend" }, [
    "Dashed frames are chunks: no merge crosses them. Grey boxes are single bytes, coloured ones are merged; ",
    "the same token always has the same colour. Below each box stands its id."
  ]);
  root.appendChild(make("div", { "class": "bpe fsllm-tool" }, [
    make("label", { "for": "bpe-text" }, ["Your text"]), area, examples, warning, controls, status, view, counts, legend
  ]));

  var stages = [], step = 0, text = "";

  function go(wanted) {
    step = Math.max(0, Math.min(stages.length - 1, wanted));
    var stage = stages[step], last = stages.length - 1, tokens = 0, joined = 0;
    fill(view, stage.chunks.map(function (chunk) {
      return make("div", { "class": "bpe-chunk" }, [
        make("span", { "class": "bpe-source" }, [shown(chunk.source)]),
        make("span", { "class": "bpe-tokens" }, chunk.tokens.map(function (token) {
          tokens++;
          if (token.fresh) joined++;
          return make("span", { "class": "bpe-token" }, [
            box(token.piece, token.fresh ? " bpe-fresh" : ""),
            make("span", { "class": "bpe-id" }, [String(idOf[token.piece])])
          ]);
        }))
      ]);
    }));
    var bytes = stages[0].chunks.reduce(function (sum, chunk) { return sum + chunk.tokens.length; }, 0);
    if (!bytes) fill(status, ["Type some text to cut it into tokens."]);
    else if (!step) fill(status, [
      counted(bytes, "byte") + " in " + counted(stage.chunks.length, "chunk") + ". ",
      last ? "Next joins the first pair." : "No learned merge fits: every byte stays a token of its own."
    ]);
    else fill(status, [
      box(stage.pair[0]), " + ", box(stage.pair[1]), " → ", box(stage.pair.join(""), " bpe-fresh"),
      " learned as merge number " + (stage.rank + 1) + ", joined in " + counted(joined, "place") + ".",
      step === last ? " No other merge fits: these are the tokens." : ""
    ]);
    fill(counts, [
      ["characters", Array.from(text).length], ["bytes", bytes], ["chunks", stage.chunks.length], ["tokens", tokens],
      ["bytes per token", tokens ? (bytes / tokens).toFixed(2) : "–"]
    ].map(function (entry) {
      return make("div", {}, [make("dt", {}, [entry[0]]), make("dd", {}, [entry[1].toLocaleString("en")])]);
    }));
    var where = "merge " + step + " of " + last;
    slider.max = last;
    slider.value = step;
    slider.setAttribute("aria-valuetext", where);
    fill(position, [where]);
    // Not `disabled`: that would take the focus, and with it the arrow keys, from the button just pressed.
    buttons.forEach(function (button, i) {
      button.setAttribute("aria-disabled", String(i < 2 ? step === 0 : step === last));
    });
    if (view.scrollHeight > view.clientHeight) view.setAttribute("tabindex", "0");
    else view.removeAttribute("tabindex");
  }

  function read(stayAtEnd) {
    var end = stayAtEnd && step > 0 && step === stages.length - 1, all = Array.from(area.value);
    text = all.slice(0, LIMIT).join("");
    fill(warning, all.length > LIMIT ? [
      "This text has " + counted(all.length, "character") + "; only the first " + LIMIT + " are shown."
    ] : []);
    stages = stagesOf(text);
    go(end ? Infinity : 0);
  }

  area.addEventListener("input", function () { read(true); });
  slider.addEventListener("input", function () { go(Number(slider.value)); });
  controls.addEventListener("keydown", function (event) {
    var moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(step + moves[event.key]);
  });
  area.value = EXAMPLES[0];
  read(false);
})();
