"use strict";
(() => {
  const form = document.querySelector(".filter");
  const cases = [...document.querySelectorAll(".case")];
  const system = document.getElementById("system");
  const text = document.getElementById("text");
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  const words = cases.map((one) => one.textContent.slice(0, 4000).toLowerCase());

  const apply = () => {
    const verdicts = new Set(
      [...form.querySelectorAll("input[name=verdict]:checked")].map((box) => box.value));
    const wanted = text.value.trim().toLowerCase();
    let count = 0;
    cases.forEach((one, at) => {
      const fits = verdicts.has(one.dataset.verdict)
        && (!system.value || one.dataset.system === system.value)
        && (!wanted || words[at].includes(wanted));
      one.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = `${count} of ${cases.length} cases`;
    none.hidden = count > 0;
  };

  // A link to a case opens it, whatever the filter says.
  const open = () => {
    const one = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (one && one.classList.contains("case")) {
      one.hidden = false;
      one.open = true;
      one.scrollIntoView();
    }
  };

  // What drifted is in sight as soon as a case is open.
  const show = (one) => one.querySelectorAll("pre").forEach((pre) => {
    const mark = pre.querySelector("mark");
    if (mark) pre.scrollTop = mark.offsetTop - pre.clientHeight / 2;
  });
  cases.forEach((one) => {
    one.addEventListener("toggle", () => one.open && show(one));
    if (one.open) show(one);
  });

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", open);
  apply();
  open();
})();
