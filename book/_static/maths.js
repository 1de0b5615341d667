// Formulas are typeset as they come near the window, once the page is there: MathJax is larger than any page.
(function () {
  "use strict";
  var source = document.currentScript.dataset.mathjax, root = document.documentElement;
  var waiting = new Set(document.querySelectorAll(".math"));
  function typeset(formulas) {
    formulas = formulas.filter(function (formula) { return waiting.delete(formula); });
    if (formulas.length) MathJax.typeset(formulas);
    formulas.forEach(function (formula) { formula.classList.add("typeset"); });
  }
  function start() {
    var watch = new IntersectionObserver(function (seen) {
      var near = seen.filter(function (entry) { return entry.isIntersecting; });
      typeset(near.map(function (entry) { watch.unobserve(entry.target); return entry.target; }));
    }, { rootMargin: "600px" });
    waiting.forEach(function (formula) { watch.observe(formula); });
    addEventListener("beforeprint", window.typesetAll);
  }
  window.typesetAll = function () { typeset(Array.from(waiting)); };
  window.mathsReady = new Promise(function (resolve) {
    window.MathJax = {
      startup: { typeset: false, ready: function () { MathJax.startup.defaultReady(); start(); resolve(); } },
      options: { processHtmlClass: "math" }
    };
  });
  function load() {
    var script = document.createElement("script");
    script.src = source;
    script.onerror = function () { root.classList.remove("maths-wait"); };  // TeX can be read, too
    document.head.append(script);
  }
  addEventListener("load", function () {
    if (window.requestIdleCallback) requestIdleCallback(load); else setTimeout(load, 1);
  });
})();
