"use strict";
// Pictures of pairs, cut out of their sheets by style alone: they lie over the page and are never drawn on a canvas.
(() => {
  const { el } = lacuna;
  const waiting = new Map();
  const watcher = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || !waiting.has(target)) continue;
      target.style.backgroundImage = `url("${waiting.get(target)}")`;
      waiting.delete(target);
      watcher.unobserve(target);
    }
  });

  // The picture of a pair, `size` pixels wide; null where its data set has none at all. Its sheet is loaded when it comes into view.
  const picture = (dataset, pair, size, { label = true } = {}) => {
    const { sprites } = dataset;
    if (!sprites.sheets.length) return null;
    const number = dataset.picture[pair];
    const name = dataset.captions[pair] || `pair ${pair + 1}`;
    if (number < 0) {
      const none = el("span", { class: "thumb none", ...(label ? {} : { "aria-hidden": "true" }) }, "no picture");
      none.style.width = none.style.height = `${size}px`;
      return none;
    }
    const each = sprites.columns * sprites.rows, place = number % each;
    const made = el("span", label ? { class: "thumb", role: "img", "aria-label": name } : { class: "thumb", "aria-hidden": "true" });
    made.style.width = made.style.height = `${size}px`;
    made.style.backgroundSize = `${sprites.columns * size}px auto`;
    made.style.backgroundPosition = `-${(place % sprites.columns) * size}px -${Math.floor(place / sprites.columns) * size}px`;
    waiting.set(made, `explore/${sprites.sheets[Math.floor(number / each)]}`);
    watcher.observe(made);
    return made;
  };

  lacuna.picture = picture;
})();
