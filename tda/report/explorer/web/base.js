"use strict";
// What all scripts of the page share: data that files hand over, elements with text, numbers as words.
window.lacuna = (() => {
  const values = new Map();
  const waiting = new Map();

  // Data files call this: see tda/report/explorer/payload.py.
  const put = (name, value) => values.set(name, value);

  const load = name => {
    if (values.has(name)) return Promise.resolve(values.get(name));
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = `explore/${name}.js`;
        script.addEventListener("load", () => done(values.get(name)));
        script.addEventListener("error", () => { waiting.delete(name); failed(new Error(`explore/${name}.js cannot be read`)); });
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  };

  const unpack = packed => {
    const text = atob(packed.f4 ?? packed.i4);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return packed.f4 === undefined ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
  };

  const by = id => document.getElementById(id);

  // An element with attributes and children. Strings become text, never markup.
  const el = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === false || value === null || value === undefined) continue;
      if (key === "click") made.addEventListener("click", value);
      else made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter(child => child !== null && child !== undefined && child !== ""));
    return made;
  };

  const count = number => number.toLocaleString("en-US");
  const fixed = (number, digits = 2) => (Number.isFinite(number) ? number.toFixed(digits).replace("-", "\u2212") : "\u2013");
  const percent = number => (Number.isFinite(number) ? `${(100 * number).toFixed(1)}%` : "\u2013");
  const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  return { put, load, unpack, by, el, count, fixed, percent, plural, calm, value: name => values.get(name) };
})();
