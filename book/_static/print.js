// Paper is light: while the page is printed, so is the mode.
(function () {
  "use strict";
  var root = document.documentElement, before = null;
  addEventListener("beforeprint", function () {
    before = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", function () {
    if (before) root.dataset.theme = before;
  });
})();
